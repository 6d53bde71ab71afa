// The TPM backend over a TPM that answers anything: each entry of the input is the low half of a command code,
// and what the next such command is answered with. Nothing here talks to a TPM.
#include <openssl/err.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "daemon/base/openssl.h"
#include "tests/fuzz/target.h"
#include "tpm/backend.h"
#include "tpm/key_file.h"

namespace holdfast::fuzz {
namespace {

class FakeTpm {
 public:
  explicit FakeTpm(Input input) {
    while (!input.empty()) {
      const std::uint16_t code = static_cast<std::uint16_t>(input.byte() << 8);
      answers_[code | input.byte()].push_back(input.sized());
    }
  }
  void take(ByteView command) {
    next_ = nullptr;
    if (command.size() < 10) return;
    const auto found = answers_.find(static_cast<std::uint16_t>(command[8] << 8 | command[9]));
    if (found == answers_.end()) return;
    std::size_t& given = given_[found->first];
    next_ = &found->second[std::min(given, found->second.size() - 1)];
    ++given;
  }
  const ByteView* answer() const { return next_; }

 private:
  std::map<std::uint16_t, std::vector<ByteView>> answers_;
  std::map<std::uint16_t, std::size_t> given_;
  const ByteView* next_ = nullptr;
};

FakeTpm* tpm = nullptr;

TSS2_RC transmit(TSS2_TCTI_CONTEXT*, std::size_t size, const std::uint8_t* command) {
  tpm->take({command, size});
  return TSS2_RC_SUCCESS;
}

TSS2_RC receive(TSS2_TCTI_CONTEXT*, std::size_t* size, std::uint8_t* response, std::int32_t) {
  const ByteView* answer = tpm->answer();
  if (answer == nullptr) return TSS2_TCTI_RC_IO_ERROR;
  const std::size_t room = *size;
  *size = answer->size();
  if (response == nullptr) return TSS2_RC_SUCCESS;
  if (room < answer->size()) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
  std::ranges::copy(*answer, response);
  return TSS2_RC_SUCCESS;
}

TSS2_TCTI_CONTEXT_COMMON_V1 tcti{0x66757a7a, 1,       transmit, receive,
                                 nullptr,    nullptr, nullptr,  nullptr};

// Says whether the backend can go on; a device that is unavailable is opened again by its owner.
template <class Step>
bool goes_on(Step step) {
  try {
    step();
    return true;
  } catch (const Error& error) {
    static constexpr ErrorKind kinds[] = {ErrorKind::unsupported, ErrorKind::key_lost,
                                          ErrorKind::device_unavailable, ErrorKind::invalid_request,
                                          ErrorKind::internal};
    check(std::ranges::find(kinds, error.kind()) != std::end(kinds), "an error is of a backend");
    return error.kind() != ErrorKind::device_unavailable;
  }
}

void use(Backend& backend) {
  const DeviceDescription& device = backend.describe();
  check(is_utf8(device.model) && device.types.size() <= 6 && device.algorithms.size() <= 5,
        "the description is one");
  const Bytes digest(32, 7);
  // What was made can be read again, whatever the TPM said of it.
  const auto made = [](const DeviceKey& key) {
    answers({}, [&] {
      tpm::from_pem(key.object);
      if (!key.public_key.empty()) public_key_from_spki(key.public_key);
    });
  };
  for (const KeyType type : {KeyType::ec_p256, KeyType::rsa_2048}) {
    const Algorithm algorithm = type == KeyType::ec_p256 ? Algorithm::es256 : Algorithm::rs256;
    if (!goes_on([&] {
          const DeviceKey key = backend.create(type);
          made(key);
          check(backend.sign(key.object, algorithm, digest).size() ==
                    (type == KeyType::ec_p256 ? 64 : 256),
                "a signature has its size");
          check(backend.sign(key.object, algorithm, digest).size() != 0, "so has a second one");
        }))
      return;
  }
  if (!goes_on([&] {
        const DeviceKey key = backend.import_secret(Secret(as_bytes("AWS4secret")));
        made(key);
        check(backend.mac(key.object, {Bytes(8, 1), Bytes(9, 2)}).size() == 32,
              "a MAC has its size");
      }))
    return;
  goes_on([&] { backend.check(); });
}

}  // namespace
}  // namespace holdfast::fuzz

// In the place of the loader's, so that tpm::open() comes here, and of the waits for a TPM that is busy.
extern "C" {
TSS2_RC Tss2_TctiLdr_Initialize(const char*, TSS2_TCTI_CONTEXT** context) {
  *context = reinterpret_cast<TSS2_TCTI_CONTEXT*>(&holdfast::fuzz::tcti);
  return TSS2_RC_SUCCESS;
}
void Tss2_TctiLdr_Finalize(TSS2_TCTI_CONTEXT** context) {
  *context = nullptr;
}
int nanosleep(const timespec*, timespec*) {
  return 0;
}
int clock_nanosleep(clockid_t, int, const timespec*, timespec*) {
  return 0;
}
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  using namespace holdfast::fuzz;
  for (const tpm::Sessions sessions : {tpm::Sessions::plain, tpm::Sessions::encrypted}) {
    FakeTpm fake(Input(data, size));
    fuzz::tpm = &fake;
    goes_on([&] {
      const auto backend = tpm::open("fuzz", sessions);
      use(*backend);
    });
    ERR_clear_error();
  }
  return 0;
}
