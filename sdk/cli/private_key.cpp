#include "sdk/cli/private_key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstring>

#include "daemon/base/openssl.h"
#include "sdk/cli/failure.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

using Bio = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;
using BigNumber = std::unique_ptr<BIGNUM, OpensslFree<BN_clear_free>>;

[[noreturn]] void fail(const std::string& message, const std::string& advice) {
  ERR_clear_error();
  throw Failure(Exit::failed, message, advice);
}

bool is_private(const std::string& label) {
  return label.ends_with("PRIVATE KEY");
}

// What people hand over by mistake, and what to do then.
void require_private_key(const std::vector<std::string>& labels, const std::string& where) {
  const auto has = [&](std::string_view label) {
    return std::ranges::find(labels, label) != labels.end();
  };
  if (has("OPENSSH PRIVATE KEY"))
    fail(where + " is in OpenSSH's own form", "convert a copy: ssh-keygen -p -m PKCS8 -f COPY");
  if (has("TSS2 PRIVATE KEY"))
    fail(where + " is a key that is wrapped by a TPM already: it can't leave it", "");
  const auto keys = std::ranges::count_if(labels, is_private);
  if (keys > 1)
    fail(where + " has " + std::to_string(keys) + " private keys",
         "put the one to import into a file of its own");
  if (keys == 1) return;
  if (has("CERTIFICATE") || has("X509 CERTIFICATE") || has("TRUSTED CERTIFICATE"))
    fail(where + " is a certificate: it has no private key", "give the file with the private key");
  if (has("PUBLIC KEY") || has("RSA PUBLIC KEY"))
    fail(where + " is a public key", "give the file with the private key");
  if (has("CERTIFICATE REQUEST") || has("NEW CERTIFICATE REQUEST"))
    fail(where + " is a certificate request: it has no private key",
         "give the file with the private key");
  fail(where + " has no private key in PEM",
       "from DER: openssl pkey -inform DER -in FILE; from PKCS#12: openssl pkcs12 -nodes -nocerts "
       "-in FILE; either piped into `holdfast key import NAME --pem -`");
}

// RFC 1421 §4.6.1.1, as OpenSSL's older PEM writes it, and PKCS#8's own.
bool is_encrypted(std::string_view text, const std::vector<std::string>& labels) {
  return std::ranges::find(labels, "ENCRYPTED PRIVATE KEY") != labels.end() ||
         text.find("\nProc-Type: 4,ENCRYPTED") != std::string_view::npos;
}

int give_passphrase(char* buffer, int size, int, void* passphrase) {
  const auto* secret = static_cast<const Secret*>(passphrase);
  if (!secret || secret->size() > static_cast<std::size_t>(size)) return -1;
  std::memcpy(buffer, secret->view().data(), secret->size());
  return static_cast<int>(secret->size());
}

void require_ec_curve(const EVP_PKEY* key, const std::string& where) {
  char curve[64] = {};
  EVP_PKEY_get_group_name(key, curve, sizeof curve, nullptr);
  const std::string_view name = curve;
  if (name != SN_X9_62_prime256v1 && name != SN_secp384r1)
    fail(where + " is an EC key on " + (name.empty() ? "an unnamed curve" : printable(name)),
         "there are P-256 and P-384");
}

void require_rsa_form(const EVP_PKEY* key, const std::string& where) {
  const int bits = EVP_PKEY_get_bits(key);
  if (bits != 2048 && bits != 3072)
    fail(where + " is an RSA key of " + std::to_string(bits) + " bits", "there are 2048 and 3072");
  BIGNUM* exponent = nullptr;
  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent);
  const BigNumber owner(exponent);
  if (!exponent || !BN_is_word(exponent, RSA_F4))
    fail(where + " is an RSA key whose public exponent is not 65537", "make another key");
}

void require_fit(const EVP_PKEY* key, const std::string& where) {
  if (EVP_PKEY_is_a(key, "EC")) return require_ec_curve(key, where);
  if (EVP_PKEY_is_a(key, "RSA")) return require_rsa_form(key, where);
  const char* type = EVP_PKEY_get0_type_name(key);
  fail(where + " is a key of the type " + printable(type ? type : "unknown"),
       "there are EC (P-256, P-384) and RSA (2048, 3072)");
}

}  // namespace

std::vector<std::string> pem_labels(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  std::vector<std::string> labels;
  for (std::size_t at = text.find(kBegin); at != std::string_view::npos;
       at = text.find(kBegin, at)) {
    const bool starts_line = at == 0 || text[at - 1] == '\n';
    at += kBegin.size();
    const std::size_t end = text.find("-----", at);
    if (starts_line && end != std::string_view::npos)
      labels.emplace_back(text.substr(at, end - at));
  }
  return labels;
}

bool has_text_beside_pem(std::string_view text) {
  bool inside = false;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.starts_with("-----BEGIN ")) inside = true;
    if (!inside && line.find_first_not_of(" \t\r") != std::string_view::npos) return true;
    if (line.starts_with("-----END ")) inside = false;
  }
  return false;
}

Secret unencrypted_pkcs8(std::string_view text, const std::string& where,
                         const std::function<Secret()>& ask) {
  const std::vector<std::string> labels = pem_labels(text);
  require_private_key(labels, where);
  const bool encrypted = is_encrypted(text, labels);
  Secret passphrase = encrypted ? ask() : Secret();

  const Bio in(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  const EvpPkey key(in ? PEM_read_bio_PrivateKey(in.get(), nullptr, give_passphrase,
                                                 encrypted ? &passphrase : nullptr)
                       : nullptr);
  if (!key && encrypted)
    fail(where +
             ": the passphrase is wrong, or the key is damaged or encrypted in a way that "
             "OpenSSL 3 no longer reads",
         "try it: openssl pkey -noout -in FILE");
  if (!key) fail(where + ": the private key can't be read", "try it: openssl pkey -noout -in FILE");
  require_fit(key.get(), where);

  const Bio out(BIO_new(BIO_s_secmem()));
  char* data = nullptr;
  if (!out || PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                            nullptr) != 1)
    throw_openssl("PEM_write_bio_PKCS8PrivateKey");
  const long size = BIO_get_mem_data(out.get(), &data);
  return Secret(as_bytes({data, static_cast<std::size_t>(size)}));
}

}  // namespace holdfast::cli
