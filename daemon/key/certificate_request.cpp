#include "daemon/key/certificate_request.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "daemon/base/error.h"

namespace holdfast {
namespace {

using Bio = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, OpensslFree<X509_EXTENSION_free>>;
using GeneralNames = std::unique_ptr<GENERAL_NAMES, OpensslFree<GENERAL_NAMES_free>>;
using X509Algor = std::unique_ptr<X509_ALGOR, OpensslFree<X509_ALGOR_free>>;
using BitString = std::unique_ptr<ASN1_BIT_STRING, OpensslFree<ASN1_BIT_STRING_free>>;
struct ExtensionsFree {
  void operator()(STACK_OF(X509_EXTENSION) * list) const {
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
  }
};
using Extensions = std::unique_ptr<STACK_OF(X509_EXTENSION), ExtensionsFree>;

constexpr std::array<std::string_view, 10> kTypes = {"CN", "L",      "ST", "O",   "OU",
                                                     "C",  "street", "DC", "UID", "serialNumber"};

[[noreturn]] void refuse(const std::string& complaint) {
  ERR_clear_error();
  throw Error(ErrorKind::invalid_request, complaint);
}

void add_subject(X509_REQ* request,
                 const std::vector<std::pair<std::string, std::string>>& subject) {
  X509_NAME* name = X509_REQ_get_subject_name(request);
  for (const auto& [type, value] : subject) {
    if (std::ranges::find(kTypes, type) == kTypes.end())
      refuse("subject: a type has to be CN, L, ST, O, OU, C, street, DC, UID or serialNumber");
    // RFC 5280 appendix A has the sizes; OpenSSL keeps to them.
    if (value.find('\0') != std::string::npos ||
        X509_NAME_add_entry_by_txt(name, type.c_str(), MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(value.data()),
                                   static_cast<int>(value.size()), -1, 0) != 1)
      refuse("subject: this is no value of " + type + " (too long, too short or not its letters)");
  }
}

bool is_dns_name(std::string_view text) {  // RFC 1123 §2.1; "*." of RFC 6125 §6.4.3
  if (text.starts_with("*.")) text.remove_prefix(2);
  return !text.empty() && text.size() <= 253 && text.front() != '.' && text.back() != '.' &&
         text.find("..") == std::string_view::npos && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

bool is_uri(std::string_view text) {  // RFC 5280 §4.2.1.6: with a scheme
  const std::size_t colon = text.find(':');
  return colon != std::string_view::npos && colon > 0 && colon + 1 < text.size() &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

void add_name(GENERAL_NAMES* names, int type, const std::string& text) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* value = ASN1_IA5STRING_new();
  if (name == nullptr || value == nullptr ||
      ASN1_STRING_set(value, text.data(), static_cast<int>(text.size())) != 1)
    throw_openssl("ASN1_STRING_set");
  GENERAL_NAME_set0_value(name, type, value);
  if (sk_GENERAL_NAME_push(names, name) <= 0) throw_openssl("sk_GENERAL_NAME_push");
}

void push(Extensions& extensions, Extension extension) {
  if (!extension || sk_X509_EXTENSION_push(extensions.get(), extension.get()) <= 0)
    throw_openssl("X509V3_EXT_i2d");
  extension.release();
}

void add_extensions(X509_REQ* request, const RequestedNames& names) {
  Extensions extensions(sk_X509_EXTENSION_new_null());
  const BitString usage(ASN1_BIT_STRING_new());
  if (!extensions || !usage || ASN1_BIT_STRING_set_bit(usage.get(), 0, 1) != 1)
    throw_openssl("ASN1_BIT_STRING_set_bit");
  push(extensions, Extension(X509V3_EXT_i2d(NID_key_usage, 1, usage.get())));
  const GeneralNames alternatives(sk_GENERAL_NAME_new_null());
  for (const std::string& name : names.dns) {
    if (!is_dns_name(name)) refuse("dns: has to be a DNS name");
    add_name(alternatives.get(), GEN_DNS, name);
  }
  for (const std::string& uri : names.uris) {
    if (!is_uri(uri)) refuse("uri: has to be a URI with its scheme, in ASCII");
    add_name(alternatives.get(), GEN_URI, uri);
  }
  if (sk_GENERAL_NAME_num(alternatives.get()) > 0)
    push(extensions, Extension(X509V3_EXT_i2d(NID_subject_alt_name, 0, alternatives.get())));
  if (X509_REQ_add_extensions(request, extensions.get()) != 1)
    throw_openssl("X509_REQ_add_extensions");
}

// RFC 5758 §3.2, RFC 4055 §5
void set_algorithm(X509_REQ* request, Algorithm algorithm) {
  const bool rsa = algorithm == Algorithm::rs256;
  if (!rsa && algorithm != Algorithm::es256)
    throw Error(ErrorKind::unsupported,
                "no request is signed with " + std::string(to_string(algorithm)));
  const X509Algor name(X509_ALGOR_new());
  if (!name ||
      X509_ALGOR_set0(name.get(),
                      OBJ_nid2obj(rsa ? NID_sha256WithRSAEncryption : NID_ecdsa_with_SHA256),
                      rsa ? V_ASN1_NULL : V_ASN1_UNDEF, nullptr) != 1 ||
      X509_REQ_set1_signature_algo(request, name.get()) != 1)
    throw_openssl("X509_REQ_set1_signature_algo");
}

}  // namespace

CertificateRequest::CertificateRequest(ByteView public_key, Algorithm algorithm,
                                       const RequestedNames& names)
    : request_(X509_REQ_new()), algorithm_(algorithm) {
  const EvpPkey key = public_key_from_spki(public_key);
  if (!request_ || X509_REQ_set_version(request_.get(), 0) != 1 ||
      X509_REQ_set_pubkey(request_.get(), key.get()) != 1)
    throw_openssl("X509_REQ_set_pubkey");
  set_algorithm(request_.get(), algorithm);
  add_subject(request_.get(), names.subject);
  add_extensions(request_.get(), names);
}

Bytes CertificateRequest::to_be_signed() const {
  unsigned char* der = nullptr;
  const int size = i2d_re_X509_REQ_tbs(request_.get(), &der);
  if (size <= 0) throw_openssl("i2d_re_X509_REQ_tbs");
  Bytes text(der, der + size);
  OPENSSL_free(der);
  return text;
}

std::string CertificateRequest::to_pem(ByteView signature) {
  Bytes value = algorithm_ == Algorithm::es256 ? ecdsa_raw_to_der(signature)
                                               : Bytes(signature.begin(), signature.end());
  BitString bits(ASN1_BIT_STRING_new());
  if (!bits || ASN1_BIT_STRING_set(bits.get(), value.data(), static_cast<int>(value.size())) != 1)
    throw_openssl("ASN1_BIT_STRING_set");
  // X.690 §11.2.2 drops trailing zeros of named bits; a signature's stand.
  bits->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07L);
  bits->flags |= ASN1_STRING_FLAG_BITS_LEFT;
  X509_REQ_set0_signature(request_.get(), bits.release());
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509_REQ(bio.get(), request_.get()) != 1)
    throw_openssl("PEM_write_bio_X509_REQ");
  const char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace holdfast
