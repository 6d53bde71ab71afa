#include "sdk/cli/private_key.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "daemon/base/openssl.h"
#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

using Bio = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;
using BigNumber = std::unique_ptr<BIGNUM, OpensslFree<BN_free>>;

constexpr const char* kPassphrase = "correct horse";

std::string text_of(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

EvpPkey ec(const char* curve) {
  return EvpPkey(EVP_EC_gen(curve));
}

EvpPkey rsa(std::size_t bits, unsigned long exponent = RSA_F4) {
  const EvpPkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  const BigNumber e(BN_new());
  BN_set_word(e.get(), exponent);
  EVP_PKEY_keygen_init(context.get());
  EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), static_cast<int>(bits));
  EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), e.get());
  EVP_PKEY_generate(context.get(), &key);
  return EvpPkey(key);
}

enum class Form { pkcs8, traditional };

std::string pem(const EvpPkey& key, Form form, bool encrypted = false) {
  const Bio out(BIO_new(BIO_s_mem()));
  const EVP_CIPHER* cipher = encrypted ? EVP_aes_256_cbc() : nullptr;
  const auto* word = reinterpret_cast<const unsigned char*>(kPassphrase);
  const int size = encrypted ? static_cast<int>(std::string_view(kPassphrase).size()) : 0;
  const int done =
      form == Form::pkcs8
          ? PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), cipher,
                                          encrypted ? kPassphrase : nullptr, size, nullptr, nullptr)
          : PEM_write_bio_PrivateKey_traditional(
                out.get(), key.get(), cipher, encrypted ? word : nullptr, size, nullptr, nullptr);
  EXPECT_EQ(done, 1);
  return text_of(out);
}

std::string public_pem(const EvpPkey& key) {
  const Bio out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(out.get(), key.get());
  return text_of(out);
}

Secret no_passphrase() {
  ADD_FAILURE() << "asked for a passphrase";
  return {};
}

Failure refusal(const std::string& text, const std::string& passphrase = kPassphrase) {
  try {
    unencrypted_pkcs8(text, "FILE", [&] { return Secret(as_bytes(passphrase)); });
  } catch (const Failure& failure) {
    return failure;
  }
  return {Exit::done, "taken"};
}

TEST(PrivateKeyFile, BecomesPkcs8WhateverItsForm) {
  for (const EvpPkey& key : {ec("P-256"), ec("P-384"), rsa(2048), rsa(3072)}) {
    for (const Form form : {Form::pkcs8, Form::traditional}) {
      for (const bool encrypted : {false, true}) {
        const std::string text = pem(key, form, encrypted);
        int asked = 0;
        const Secret out = unencrypted_pkcs8(text, "FILE", [&] {
          ++asked;
          return Secret(as_bytes(kPassphrase));
        });
        EXPECT_EQ(asked, encrypted ? 1 : 0) << text.substr(0, 40);
        const std::string expected = pem(key, Form::pkcs8);
        EXPECT_EQ(std::string(reinterpret_cast<const char*>(out.view().data()), out.size()),
                  expected);
      }
    }
  }
}

TEST(PrivateKeyFile, MayHaveParametersAndACertificateBesideTheKey) {
  const EvpPkey key = ec("P-256");
  const std::string sec1 = pem(key, Form::traditional);
  EXPECT_NO_THROW(unencrypted_pkcs8(
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + sec1,
      "FILE", no_passphrase));
  EXPECT_NO_THROW(unencrypted_pkcs8(
      "Bag Attributes\n    friendlyName: x\n" + sec1 + public_pem(key), "FILE", no_passphrase));
}

TEST(PrivateKeyFile, ThatIsSomethingElseIsNamed) {
  const EvpPkey key = ec("P-256");
  const auto block = [](const std::string& label) {
    return "-----BEGIN " + label + "-----\nAA==\n-----END " + label + "-----\n";
  };
  EXPECT_NE(refusal(block("CERTIFICATE")).message().find("is a certificate"), std::string::npos);
  EXPECT_NE(refusal(block("CERTIFICATE REQUEST")).message().find("request"), std::string::npos);
  EXPECT_NE(refusal(public_pem(key)).message().find("is a public key"), std::string::npos);
  EXPECT_NE(refusal(block("OPENSSH PRIVATE KEY")).advice().find("ssh-keygen"), std::string::npos);
  EXPECT_NE(refusal(block("TSS2 PRIVATE KEY")).message().find("TPM"), std::string::npos);
  const std::string one = pem(key, Form::pkcs8);
  EXPECT_NE(refusal(one + one).message().find("2 private keys"), std::string::npos);
  for (const std::string& text : {std::string(), std::string("\x30\x82"), std::string("x\n")})
    EXPECT_NE(refusal(text).message().find("no private key"), std::string::npos);
}

TEST(PrivateKeyFile, OfATypeThatIsNotTakenIsRefused) {
  EXPECT_NE(refusal(pem(ec("P-521"), Form::pkcs8)).message().find("secp521r1"), std::string::npos);
  EXPECT_NE(refusal(pem(rsa(1024), Form::pkcs8)).message().find("1024 bits"), std::string::npos);
  EXPECT_NE(refusal(pem(rsa(2048, 3), Form::traditional)).message().find("65537"),
            std::string::npos);
  const EvpPkey ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  EXPECT_NE(refusal(pem(ed25519, Form::pkcs8)).message().find("ED25519"), std::string::npos);
}

TEST(PrivateKeyFile, ThatIsDamagedOrHasAnotherPassphraseIsRefused) {
  const EvpPkey key = ec("P-256");
  for (const Form form : {Form::pkcs8, Form::traditional})
    EXPECT_NE(refusal(pem(key, form, true), "wrong").message().find("passphrase"),
              std::string::npos);
  std::string text = pem(key, Form::pkcs8);
  text[60] = '!';
  EXPECT_NE(refusal(text).message().find("can't be read"), std::string::npos);
  text = pem(key, Form::pkcs8);
  EXPECT_NE(refusal(text.substr(0, text.size() / 2)).message().find("can't be read"),
            std::string::npos);
}

TEST(PrivateKey, SeesTextBesideItsBlocks) {
  const std::string block = "-----BEGIN X-----\nDEK-Info: AES\n\nAAAA\n-----END X-----\n";
  for (const std::string& text : {block, "\n" + block + " \r\n" + block, std::string()})
    EXPECT_FALSE(has_text_beside_pem(text)) << text;
  for (const std::string& text :
       {"A=1\n" + block, block + "B=2", block + "B=2\n" + block, std::string("A=1")})
    EXPECT_TRUE(has_text_beside_pem(text)) << text;
}

}  // namespace
}  // namespace holdfast::cli
