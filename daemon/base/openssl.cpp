#include "daemon/base/openssl.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "daemon/base/error.h"

namespace holdfast {
namespace {

using EcdsaSig = std::unique_ptr<ECDSA_SIG, OpensslFree<ECDSA_SIG_free>>;
using Bio = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;

}  // namespace

void throw_openssl(std::string_view where) {
  const unsigned long code = ERR_get_error();
  std::array<char, 256> text;
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  throw Error(ErrorKind::internal, text.data(), std::string(where),
              static_cast<std::int64_t>(code));
}

Sha256 sha256(ByteView data) {
  Sha256 digest;
  if (EVP_Digest(data.data(), data.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    throw_openssl("sha256");
  return digest;
}

std::string sha256_hex(std::string_view text) {
  return to_hex(sha256(text));
}

Secret hmac_sha256(ByteView key, ByteView message) {
  Secret mac(32);
  unsigned int length = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(),
           mac.writable().data(), &length) == nullptr)
    throw_openssl("hmac_sha256");
  return mac;
}

Bytes random_bytes(std::size_t size) {
  Bytes bytes(size);
  if (RAND_bytes(bytes.data(), static_cast<int>(size)) != 1) throw_openssl("random_bytes");
  return bytes;
}

EvpPkey public_key_from_spki(ByteView der) {
  const unsigned char* at = der.data();
  EvpPkey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (!key || at != der.data() + der.size()) throw_openssl("SubjectPublicKeyInfo");
  return key;
}

std::string spki_to_pem(ByteView der) {
  const EvpPkey key = public_key_from_spki(der);
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PUBKEY(bio.get(), key.get()) != 1)
    throw_openssl("PEM_write_bio_PUBKEY");
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

Bytes ecdsa_raw_to_der(ByteView raw) {
  const int half = static_cast<int>(raw.size() / 2);
  const EcdsaSig signature(ECDSA_SIG_new());
  if (!signature || raw.size() % 2 != 0 ||
      ECDSA_SIG_set0(signature.get(), BN_bin2bn(raw.data(), half, nullptr),
                     BN_bin2bn(raw.data() + half, half, nullptr)) != 1)
    throw_openssl("ECDSA_SIG_set0");
  unsigned char* der = nullptr;
  const int length = i2d_ECDSA_SIG(signature.get(), &der);
  if (length <= 0) throw_openssl("i2d_ECDSA_SIG");
  Bytes bytes(der, der + length);
  OPENSSL_free(der);
  return bytes;
}

Bytes ecdsa_der_to_raw(ByteView der, std::size_t coordinate_bytes) {
  const unsigned char* at = der.data();
  const EcdsaSig signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (!signature) throw_openssl("d2i_ECDSA_SIG");
  Bytes raw(2 * coordinate_bytes);
  const int half = static_cast<int>(coordinate_bytes);
  if (BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), half) != half ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + half, half) != half)
    throw_openssl("BN_bn2binpad");
  return raw;
}

}  // namespace holdfast
