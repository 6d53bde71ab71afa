#include "daemon/key/sigv4a.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>

#include "daemon/base/json.h"
#include "daemon/base/posix.h"
#include "daemon/key/jwk.h"
#include "daemon/key/pkcs8.h"
#include "tests/unit/format/vectors.h"

namespace holdfast {
namespace {

std::string private_number(const PrivateKey& key) {
  const EvpPkey read = private_key_of(key.type, key.pkcs8);
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(read.get(), OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1) return {};
  Bytes bytes(32);
  BN_bn2binpad(number, bytes.data(), 32);
  BN_clear_free(number);
  return to_hex(bytes);
}

// The uncompressed point ends the SubjectPublicKeyInfo.
std::string public_point(const PrivateKey& key) {
  const std::string spki = to_hex(public_key_of(key.type, key.pkcs8));
  return spki.substr(spki.size() - 128);
}

PrivateKey derived(const std::string& id, const std::string& secret) {
  return derive_sigv4a_key(id, Secret(as_bytes(secret)));
}

TEST(Sigv4aKey, IsTheOneOfAwssOwnTest) {
  const auto path = vectors_folder() / "aws-sigv4-c-auth/sigv4a_key_derivation.json";
  HOLDFAST_NEED_VECTORS(path);
  const json::object vector = parse_json_object(read_file(path.string(), 1 << 16));
  const auto text = [&](const char* name) { return std::string(vector.at(name).as_string()); };
  const PrivateKey key = derived(text("access_key_id"), text("secret_access_key"));
  EXPECT_EQ(key.type, KeyType::ec_p256);
  EXPECT_EQ(private_number(key), text("private_key"));
  EXPECT_EQ(public_point(key), text("public_x") + text("public_y"));
}

TEST(Sigv4aKey, DependsOnIdAndSecret) {
  const std::string key = private_number(derived("AKID", "secret"));
  EXPECT_EQ(private_number(derived("AKID", "secret")), key);
  EXPECT_NE(private_number(derived("AKIE", "secret")), key);
  EXPECT_NE(private_number(derived("AKID", "secres")), key);
}

}  // namespace
}  // namespace holdfast
