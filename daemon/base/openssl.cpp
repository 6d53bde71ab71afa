#include "daemon/base/openssl.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "daemon/base/error.h"

namespace holdfast {
namespace {

using EcdsaSig = std::unique_ptr<ECDSA_SIG, OpensslFree<ECDSA_SIG_free>>;
using Bio = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, OpensslFree<EVP_MAC_CTX_free>>;

}  // namespace

void throw_openssl(std::string_view where) {
  const unsigned long code = ERR_get_error();
  std::array<char, 256> text;
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  throw Error(ErrorKind::internal, text.data(), std::string(where),
              static_cast<std::int64_t>(code));
}

Sha256 sha256(std::initializer_list<ByteView> parts) {
  // Fetched once: the implicit fetch of EVP_sha256() costs as much as hashing a page of text.
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  // Kept, and always at its start: what was hashed may be secret.
  thread_local const EvpMdCtx context = [] {
    EvpMdCtx fresh(EVP_MD_CTX_new());
    if (!fresh || EVP_DigestInit_ex2(fresh.get(), algorithm, nullptr) != 1) throw_openssl("sha256");
    return fresh;
  }();
  Sha256 digest;
  bool good = true;
  for (const ByteView part : parts)
    good = good && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  good = good && EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1;
  if (EVP_DigestInit_ex2(context.get(), algorithm, nullptr) != 1 || !good) throw_openssl("sha256");
  return digest;
}

std::string sha256_hex(std::string_view text) {
  return to_hex(sha256(text));
}

Secret hmac_sha256(ByteView key, ByteView message) {
  // Copied from one that knows its digest, which saves three look-ups by name; freed, and so zeroed,
  // with the key in it.
  static EVP_MAC_CTX* const blank = [] {
    EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    EVP_MAC_CTX* const context = EVP_MAC_CTX_new(algorithm);
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    if (context == nullptr || EVP_MAC_CTX_set_params(context, parameters) != 1)
      throw_openssl("EVP_MAC_CTX_set_params");
    return context;
  }();
  const MacContext context(EVP_MAC_CTX_dup(blank));
  Secret mac(32);
  std::size_t length = 0;
  if (!context || EVP_MAC_init(context.get(), key.data(), key.size(), nullptr) != 1 ||
      EVP_MAC_update(context.get(), message.data(), message.size()) != 1 ||
      EVP_MAC_final(context.get(), mac.writable().data(), &length, mac.size()) != 1)
    throw_openssl("hmac_sha256");
  return mac;
}

Bytes random_bytes(std::size_t size) {
  Bytes bytes(size);
  if (RAND_bytes(bytes.data(), static_cast<int>(size)) != 1) throw_openssl("random_bytes");
  return bytes;
}

ByteView RandomStock::take(std::size_t size) {
  if (stock_.size() - used_ < size) {
    stock_ = random_bytes(kDraw);
    used_ = 0;
  }
  return ByteView(stock_).subspan(std::exchange(used_, used_ + size), size);
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
