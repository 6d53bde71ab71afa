#include "daemon/key/private_key_pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <optional>
#include <string>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"
#include "daemon/key/pkcs8.h"

namespace holdfast {
namespace {

using Bio = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;
using PrivateKeyInfo = std::unique_ptr<PKCS8_PRIV_KEY_INFO, OpensslFree<PKCS8_PRIV_KEY_INFO_free>>;

constexpr unsigned int kSecure = PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE;

struct SecureFree {
  void operator()(void* memory) const { OPENSSL_secure_free(memory); }
};
template <class T>
using SecurePtr = std::unique_ptr<T, SecureFree>;

[[noreturn]] void refuse(std::string complaint) {
  ERR_clear_error();
  throw Error(ErrorKind::invalid_request, "private_key_pem: " + std::move(complaint));
}

struct Block {
  std::string label;
  SecurePtr<char> header;
  SecurePtr<unsigned char> der;
  long size = 0;
};

std::optional<Block> next_block(BIO* bio) {
  char* label = nullptr;
  char* header = nullptr;
  unsigned char* der = nullptr;
  long size = 0;
  if (PEM_read_bio_ex(bio, &label, &header, &der, &size, kSecure) != 1) {
    const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (at_end) return std::nullopt;
    refuse("is damaged: it is no whole PEM file");
  }
  const SecurePtr<char> name(label);
  return Block{label, SecurePtr<char>(header), SecurePtr<unsigned char>(der), size};
}

EvpPkey decode(const Block& block) {
  const std::string& label = block.label;
  if (label == "ENCRYPTED PRIVATE KEY" || *block.header != '\0')
    refuse(
        "is encrypted: `holdfast key import` asks for its passphrase, and "
        "`openssl pkey -in FILE` takes it off");
  const unsigned char* at = block.der.get();
  EvpPkey key;
  if (label == "PRIVATE KEY") {
    const PrivateKeyInfo info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, block.size));
    if (info) key.reset(EVP_PKCS82PKEY(info.get()));
  } else if (label == "EC PRIVATE KEY") {
    key.reset(d2i_PrivateKey(EVP_PKEY_EC, nullptr, &at, block.size));
  } else if (label == "RSA PRIVATE KEY") {
    key.reset(d2i_PrivateKey(EVP_PKEY_RSA, nullptr, &at, block.size));
  } else {
    refuse("holds a " + label.substr(0, 64) + ", not a private key (PKCS#8, SEC1 or PKCS#1)");
  }
  if (!key || at != block.der.get() + block.size)
    refuse("holds a " + label + " that can't be read: it is damaged or of a kind not known here");
  return key;
}

KeyType type_of(EVP_PKEY* key) {
  std::array<char, 64> group{};
  EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr);
  ERR_clear_error();
  const std::string_view curve(group.data());
  if (curve == "prime256v1") return KeyType::ec_p256;
  if (curve == "secp384r1") return KeyType::ec_p384;
  if (EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) == 2048) return KeyType::rsa_2048;
  if (EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) == 3072) return KeyType::rsa_3072;
  const char* kind = EVP_PKEY_get0_type_name(key);
  refuse("is of a type that is not taken (" + std::string(kind == nullptr ? "unknown" : kind) +
         ", " + std::to_string(EVP_PKEY_get_bits(key)) +
         " bits): EC on P-256 or P-384, RSA of 2048 or 3072 bits are");
}

}  // namespace

PrivateKey read_private_key_pem(std::string_view pem) {
  // OpenSSL makes a difference between no bytes and no pointer to them.
  const Bio bio(BIO_new_mem_buf(pem.empty() ? "" : pem.data(), static_cast<int>(pem.size())));
  if (!bio) throw_openssl("BIO_new_mem_buf");
  auto block = next_block(bio.get());
  if (block && block->label == "EC PARAMETERS") block = next_block(bio.get());
  if (!block) refuse("is no PEM file: it has no line -----BEGIN … PRIVATE KEY-----");
  const EvpPkey key = decode(*block);
  const KeyType type = type_of(key.get());
  if (next_block(bio.get())) refuse("holds more than one key: give one of them");
  return {type, to_pkcs8(key.get())};
}

}  // namespace holdfast
