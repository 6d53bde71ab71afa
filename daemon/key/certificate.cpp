#include "daemon/key/certificate.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <optional>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"

namespace holdfast {
namespace {

using Bio = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;
using BigNumber = std::unique_ptr<BIGNUM, OpensslFree<BN_free>>;
using X509Ptr = std::unique_ptr<X509, OpensslFree<X509_free>>;
struct MemoryFree {
  void operator()(void* memory) const { OPENSSL_free(memory); }
};
template <class T>
using OpensslMemory = std::unique_ptr<T, MemoryFree>;

constexpr std::string_view kLabel = "CERTIFICATE";
constexpr std::int64_t kLastSecond = 9'214'646'399;  // of 2261, where SystemTime ends

[[noreturn]] void refuse(std::string complaint) {
  ERR_clear_error();
  throw Error(ErrorKind::invalid_request, std::move(complaint));
}

std::string ordinal(std::size_t index) {
  return "certificate " + std::to_string(index + 1);
}

std::optional<Bytes> next_certificate(BIO* bio) {
  char* label = nullptr;
  char* header = nullptr;
  unsigned char* der = nullptr;
  long size = 0;
  if (PEM_read_bio(bio, &label, &header, &der, &size) != 1) {
    const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (!at_end) refuse("is damaged: it is no whole PEM file");
    ERR_clear_error();
    return std::nullopt;
  }
  const OpensslMemory<char> name(label), no_header(header);
  const OpensslMemory<unsigned char> data(der);
  if (name.get() != kLabel)
    refuse("holds a " + std::string(label).substr(0, 64) + ": only certificates belong here");
  return Bytes(der, der + size);
}

std::vector<Bytes> certificates_in(std::string_view pem) {
  if (pem.size() > kMostCertificateText) refuse("is too long");
  // OpenSSL makes a difference between no bytes and no pointer to them.
  const Bio bio(BIO_new_mem_buf(pem.empty() ? "" : pem.data(), static_cast<int>(pem.size())));
  if (!bio) throw_openssl("BIO_new_mem_buf");
  std::vector<Bytes> chain;
  std::size_t bytes = 0;
  while (auto der = next_certificate(bio.get())) {
    bytes += der->size();
    if (chain.size() == kMostCertificates)
      refuse("has more than " + std::to_string(kMostCertificates) + " certificates");
    if (bytes > kMostCertificateBytes) refuse("has more than 16 KiB of certificates");
    chain.push_back(std::move(*der));
  }
  if (chain.empty()) refuse("is no PEM file: it has no line -----BEGIN CERTIFICATE-----");
  return chain;
}

X509Ptr decoded(const Bytes& der, std::size_t index) {
  const unsigned char* at = der.data();
  X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!certificate || at != der.data() + der.size() ||
      (X509_get_extension_flags(certificate.get()) & EXFLAG_INVALID) != 0 ||
      X509_get0_pubkey(certificate.get()) == nullptr)
    refuse(ordinal(index) + " is damaged");
  return certificate;
}

// RFC 5280 §6.1.3: names chain, and the issuer's key made the signature.
bool has_issued(X509* issuer, X509* subject) {
  return X509_check_issued(issuer, subject) == X509_V_OK &&
         X509_verify(subject, X509_get0_pubkey(issuer)) == 1;
}

void check_chain(const std::vector<X509Ptr>& chain) {
  X509* leaf = chain.front().get();
  if (X509_check_ca(leaf) != 0)
    refuse("begins with a certificate of a CA: the key's own certificate comes first");
  if ((X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0)
    refuse("is of no use: its keyUsage does not have digitalSignature");
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (!has_issued(chain[i].get(), chain[i - 1].get()))
      refuse("is broken: " + ordinal(i - 1) + " was not issued by " + ordinal(i) +
             "; the key's own comes first, then each one's issuer");
    if (X509_check_ca(chain[i].get()) != 1) refuse("is broken: " + ordinal(i) + " is no CA's");
    // RFC 5280 §4.2.1.9: how many CAs may come between it and the leaf.
    const long between = X509_get_pathlen(chain[i].get());
    if (between >= 0 && static_cast<long>(i) - 1 > between)
      refuse("is too long: " + ordinal(i) + " allows " + std::to_string(between) +
             " CAs between it and the key's own");
  }
}

std::string name_text(const X509_NAME* name) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0)
    throw_openssl("X509_NAME_print_ex");
  const char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string serial_text(const X509* certificate) {
  const BigNumber number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  if (!number) throw_openssl("ASN1_INTEGER_to_BN");
  // RFC 5280 §4.1.2.2
  if (BN_is_negative(number.get()) || BN_is_zero(number.get()) || BN_num_bytes(number.get()) > 20)
    refuse("has a serial number that is not positive or longer than 20 bytes");
  const OpensslMemory<char> text(BN_bn2dec(number.get()));
  if (!text) throw_openssl("BN_bn2dec");
  return text.get();
}

SystemTime time_of(const ASN1_TIME* time, std::size_t index) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) refuse(ordinal(index) + " is damaged");
  // RFC 5280 §4.1.2.5: one without an end says 9999.
  return SystemTime(
      std::chrono::seconds(std::clamp<std::int64_t>(::timegm(&parts), -kLastSecond, kLastSecond)));
}

Bytes public_key_of(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) throw_openssl("i2d_X509_PUBKEY");
  const OpensslMemory<unsigned char> owner(der);
  return {der, der + size};
}

}  // namespace

Certificate read_certificate(std::string_view pem) {
  Certificate made;
  made.chain = certificates_in(pem);
  std::vector<X509Ptr> chain;
  for (std::size_t i = 0; i < made.chain.size(); ++i) chain.push_back(decoded(made.chain[i], i));
  check_chain(chain);
  const X509* leaf = chain.front().get();
  made.ends_in_root = has_issued(chain.back().get(), chain.back().get());
  made.public_key = public_key_of(leaf);
  made.subject = name_text(X509_get_subject_name(leaf));
  made.issuer = name_text(X509_get_issuer_name(leaf));
  made.serial = serial_text(leaf);
  made.not_before = SystemTime::min();
  made.not_after = SystemTime::max();
  for (std::size_t i = 0; i < chain.size(); ++i) {
    made.not_before = std::max(made.not_before, time_of(X509_get0_notBefore(chain[i].get()), i));
    made.not_after = std::min(made.not_after, time_of(X509_get0_notAfter(chain[i].get()), i));
  }
  ERR_clear_error();
  return made;
}

std::string to_pem(const Certificate& certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  for (const Bytes& der : certificate.chain)
    if (!bio ||
        PEM_write_bio(bio.get(), kLabel.data(), "", der.data(), static_cast<long>(der.size())) <= 0)
      throw_openssl("PEM_write_bio");
  const char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

bool is_for(const Certificate& certificate, ByteView public_key) {
  const bool same = EVP_PKEY_eq(public_key_from_spki(certificate.public_key).get(),
                                public_key_from_spki(public_key).get()) == 1;
  ERR_clear_error();
  return same;
}

void demand_valid(const Certificate& certificate, SystemTime now) {
  if (now < certificate.not_before)
    throw Error(ErrorKind::conflict,
                "the certificate is not valid before " + to_rfc3339(certificate.not_before));
  if (now > certificate.not_after)
    throw Error(ErrorKind::conflict, "the certificate has expired: it was valid until " +
                                         to_rfc3339(certificate.not_after));
}

}  // namespace holdfast
