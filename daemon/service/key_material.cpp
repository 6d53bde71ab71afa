#include "daemon/service/key_material.h"

#include <algorithm>
#include <cstring>

#include "daemon/key/sigv4a.h"

namespace holdfast {
namespace {

constexpr std::size_t kMaxAccessKeyId = 128;
// With its prefix it has to fit the 128 bytes of Backend::import_secret.
constexpr std::string_view kSigv4Prefix = "AWS4";
constexpr std::size_t kMaxSecretAccessKey = 124;
constexpr std::size_t kMaxPem = 16 * 1024;
constexpr std::size_t kMaxKid = 128;

bool is_printable(char c) {
  return c > 0x20 && c < 0x7F;
}

bool is_access_key_id(std::string_view text) {
  // It stands in Credential=ID/scope, and in a query.
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_printable(c) && c != '/' && c != ',' && c != '=';
  });
}

// RFC 7515 §4.1.4 leaves its form open; this one passes through JSON and logs unharmed.
bool is_kid(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return is_printable(c) && c != '"' && c != '\\'; });
}

Material read_access_key(Fields& fields, KeyUse use) {
  AccessKey key{fields.text("access_key_id", kMaxAccessKeyId), {}};
  if (!is_access_key_id(key.id))
    fields.fail("access_key_id", "has to be printable ASCII without space, '/', ',' and '='");
  const Secret secret = fields.secret("secret_access_key", kMaxSecretAccessKey);
  if (!std::ranges::all_of(secret.view(), is_printable))
    fields.fail("secret_access_key", "has to be printable ASCII without spaces");
  if (use == KeyUse::sigv4a) return GivenKey{derive_sigv4a_key(key.id, secret), key.id};
  key.derivation_key = Secret(kSigv4Prefix.size() + secret.size());
  std::memcpy(key.derivation_key.writable().data(), kSigv4Prefix.data(), kSigv4Prefix.size());
  std::memcpy(key.derivation_key.writable().data() + kSigv4Prefix.size(), secret.view().data(),
              secret.size());
  return key;
}

GivenKey read_given_key(Fields& fields) {
  const Secret pem = fields.secret("private_key_pem", kMaxPem);
  const auto kid = fields.optional_text("kid", kMaxKid);
  if (kid && !is_kid(*kid))
    fields.fail("kid", "has to be 1 to 128 printable ASCII characters without '\"' and '\\'");
  return {read_private_key_pem(as_text(pem.view())), kid.value_or("")};
}

}  // namespace

Material read_imported(Fields& fields, KeyUse use) {
  if (is_of_access_key(use)) return read_access_key(fields, use);
  return read_given_key(fields);
}

OnDevice read_enrolled(Fields& fields) {
  OnDevice key{fields.text("uri", kMostUriBytes)};
  if (!key.uri.starts_with("pkcs11:"))
    fields.fail("uri", "has to be the key's PKCS#11 URI, such as pkcs11:object=orders");
  for (const char* pin : {"pin-value", "pin-source"})
    if (key.uri.find(pin) != std::string::npos)
      fields.fail("uri", "has a PIN in it, or where it is: the configuration says that");
  return key;
}

KeyType type_of(const Material& material, KeyType made) {
  if (std::holds_alternative<AccessKey>(material)) return KeyType::hmac_sha256;
  const auto* given = std::get_if<GivenKey>(&material);
  return given == nullptr ? made : given->key.type;
}

}  // namespace holdfast
