#include "pkcs11/signer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "pkcs11/error.h"

namespace holdfast::pkcs11 {
namespace {

constexpr std::size_t kRoom = 1024;        // more than any signature has
constexpr std::size_t kBehind = 3 * 1024;  // for a module that writes more than it was told

// Zeroed, since a MAC is as secret as its key.
struct Output {
  std::array<std::uint8_t, kRoom + kBehind> bytes{};
  CK_ULONG size = kRoom;
  ~Output() { cleanse(bytes.data(), kRoom); }
};

}  // namespace

void Signer::sign(ByteView object, CK_MECHANISM* mechanism, ByteView input, const Place& place,
                  const Backend::Meanwhile& meanwhile) {
  const CK_FUNCTION_LIST& functions = token_.functions();
  // Modules take no null pointer, for an empty message either.
  constexpr std::uint8_t kNothing = 0;
  const std::uint8_t* const data = input.empty() ? &kNothing : input.data();
  bool has_waited = false;
  sessions_.run("C_Sign", [&](const Sessions::Use& use) -> CK_RV {
    const Objects::Loaded key = objects_.use(use, object);
    const std::span<std::uint8_t> signature = place(key.type);
    CK_RV rv = functions.C_SignInit(use.session, mechanism, key.handle);
    Output output;
    if (rv == CKR_OK) {
      if (!std::exchange(has_waited, true)) meanwhile();
      if (key.always_authenticate) login_.authenticate(use.session);
      rv = functions.C_Sign(use.session, const_cast<std::uint8_t*>(data), input.size(),
                            output.bytes.data(), &output.size);
    }
    if (recovery_of(rv) == Recovery::object) objects_.forget(object);
    if (rv != CKR_OK) return rv;
    if (output.size != signature.size())
      throw_broken("C_Sign", "a signature of another size than the key's");
    std::copy_n(output.bytes.begin(), signature.size(), signature.begin());
    return CKR_OK;
  });
}

}  // namespace holdfast::pkcs11
