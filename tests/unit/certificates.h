// Keys and certificates for tests, made by OpenSSL itself.
#pragma once

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <string>

#include "daemon/base/clock.h"
#include "daemon/base/openssl.h"

namespace holdfast::test {

inline const SystemTime kValidFrom = *from_rfc3339("2026-01-01T00:00:00Z");
inline const SystemTime kValidUntil = *from_rfc3339("2026-02-01T00:00:00Z");

inline EvpPkey new_pair(bool rsa = false) {
  return EvpPkey(rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"));
}

inline Bytes spki_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

struct Wanted {
  std::string subject = "leaf", issuer = "leaf";
  bool ca = false;
  std::string path_length = {};                         // of a CA; empty: none
  std::string key_usage = "critical,digitalSignature";  // empty: none
  std::string serial = "7";                             // decimal
  SystemTime from = kValidFrom, until = kValidUntil;
};

// PEM, for `key`, signed by `issuer`.
inline std::string certificate(EVP_PKEY* key, EVP_PKEY* issuer, const Wanted& wanted = {}) {
  using Owned = std::unique_ptr<X509, OpensslFree<X509_free>>;
  const Owned made(X509_new());
  X509* x509 = made.get();
  X509_set_version(x509, 2);
  BIGNUM* serial = nullptr;
  BN_dec2bn(&serial, wanted.serial.c_str());
  BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x509));
  BN_free(serial);
  const auto name = [](X509_NAME* into, const std::string& text) {
    X509_NAME_add_entry_by_txt(into, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(text.data()),
                               static_cast<int>(text.size()), -1, 0);
  };
  name(X509_get_subject_name(x509), wanted.subject);
  X509_NAME* issued_by = X509_NAME_new();
  name(issued_by, wanted.issuer);
  X509_set_issuer_name(x509, issued_by);
  X509_NAME_free(issued_by);
  const auto seconds = [](SystemTime time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  };
  ASN1_TIME_set(X509_getm_notBefore(x509), seconds(wanted.from));
  ASN1_TIME_set(X509_getm_notAfter(x509), seconds(wanted.until));
  X509_set_pubkey(x509, key);
  const auto extend = [&](int nid, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
  };
  extend(NID_basic_constraints,
         std::string(wanted.ca ? "critical,CA:TRUE" : "critical,CA:FALSE") +
             (wanted.path_length.empty() ? "" : ",pathlen:" + wanted.path_length));
  if (!wanted.key_usage.empty()) extend(NID_key_usage, wanted.key_usage);
  X509_sign(x509, issuer, EVP_sha256());
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, x509);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(bio);
  return pem;
}

inline std::string ca_certificate(EVP_PKEY* key, EVP_PKEY* issuer, const std::string& subject,
                                  const std::string& by, SystemTime until = kValidUntil) {
  return certificate(key, issuer,
                     {.subject = subject,
                      .issuer = by,
                      .ca = true,
                      .key_usage = "critical,keyCertSign",
                      .until = until});
}

}  // namespace holdfast::test
