#include "daemon/key/private_key_pem.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"
#include "daemon/key/pkcs8.h"

namespace holdfast {
namespace {

using Bio = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;

template <class Write>
std::string pem_of(Write write) {
  const Bio bio(BIO_new(BIO_s_mem()));
  EXPECT_EQ(write(bio.get()), 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string pkcs8(EVP_PKEY* key, const char* passphrase = nullptr) {
  return pem_of([&](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(
        bio, key, passphrase == nullptr ? nullptr : EVP_aes_256_cbc(), passphrase,
        passphrase == nullptr ? 0 : 4, nullptr, nullptr);
  });
}

// SEC1 for EC, PKCS#1 for RSA.
std::string traditional(EVP_PKEY* key, const char* passphrase = nullptr) {
  return pem_of([&](BIO* bio) {
    return PEM_write_bio_PrivateKey_traditional(bio, key,
                                                passphrase == nullptr ? nullptr : EVP_aes_128_cbc(),
                                                reinterpret_cast<const unsigned char*>(passphrase),
                                                passphrase == nullptr ? 0 : 4, nullptr, nullptr);
  });
}

std::string complaint_of(std::string_view pem) {
  try {
    read_private_key_pem(pem);
    return {};
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
    return error.detail();
  }
}

void expect_same_key(const std::string& pem, KeyType type, EVP_PKEY* key) {
  const PrivateKey read = read_private_key_pem(pem);
  EXPECT_EQ(read.type, type);
  EXPECT_EQ(EVP_PKEY_eq(private_key_of(type, read.pkcs8).get(), key), 1);
}

TEST(PrivateKeyPem, IsReadInEachFormAndType) {
  const EvpPkey p256(EVP_EC_gen("P-256")), p384(EVP_EC_gen("P-384"));
  const EvpPkey r2048(EVP_RSA_gen(2048)), r3072(EVP_RSA_gen(3072));
  for (const auto& [key, type] :
       {std::pair{p256.get(), KeyType::ec_p256}, std::pair{p384.get(), KeyType::ec_p384},
        std::pair{r2048.get(), KeyType::rsa_2048}, std::pair{r3072.get(), KeyType::rsa_3072}}) {
    expect_same_key(pkcs8(key), type, key);
    expect_same_key(traditional(key), type, key);
  }
  // As openssl ecparam -genkey writes it.
  expect_same_key("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" +
                      traditional(p256.get()),
                  KeyType::ec_p256, p256.get());
}

TEST(PrivateKeyPem, SaysWhatItIsInstead) {
  const EvpPkey key(EVP_EC_gen("P-256"));
  const std::string good = pkcs8(key.get());
  EXPECT_NE(complaint_of(pkcs8(key.get(), "pass")).find("encrypted"), std::string::npos);
  EXPECT_NE(complaint_of(traditional(key.get(), "pass")).find("encrypted"), std::string::npos);
  EXPECT_NE(complaint_of(pem_of([&](BIO* bio) {
              return PEM_write_bio_PUBKEY(bio, key.get());
            })).find("PUBLIC KEY"),
            std::string::npos);
  EXPECT_NE(complaint_of(good + good).find("more than one"), std::string::npos);
  for (const std::string& text : {std::string(), std::string("garbage"), good.substr(0, 60)})
    EXPECT_NE(complaint_of(text), "") << text;
  EXPECT_NE(complaint_of(std::string_view()).find("no PEM file"), std::string::npos);
  const EvpPkey p521(EVP_EC_gen("P-521")), small(EVP_RSA_gen(1024));
  EXPECT_NE(complaint_of(pkcs8(p521.get())).find("type that is not taken"), std::string::npos);
  EXPECT_NE(complaint_of(pkcs8(small.get())).find("1024 bits"), std::string::npos);
}

TEST(PrivateKeyPem, IsRefusedWithAnyByteOfItsDerMissing) {
  const EvpPkey key(EVP_EC_gen("P-256"));
  std::string label = "PRIVATE KEY";
  const PrivateKey whole = read_private_key_pem(pkcs8(key.get()));
  for (std::size_t size = 0; size < whole.pkcs8.size(); size += 7) {
    const std::string pem = pem_of([&](BIO* bio) {
      return PEM_write_bio(bio, label.c_str(), "", whole.pkcs8.view().data(),
                           static_cast<long>(size)) > 0 ||
             size == 0;
    });
    EXPECT_NE(complaint_of(pem), "") << size;
  }
}

}  // namespace
}  // namespace holdfast
