#include "tpm/key_file.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <tss2/tss2_mu.h>

#include <memory>
#include <optional>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"
#include "tpm/error.h"

namespace holdfast::tpm {
namespace {

constexpr char kLabel[] = "TSS2 PRIVATE KEY";
constexpr char kLoadableKey[] = "2.23.133.10.1.3";
constexpr std::string_view kAuthLine = "Holdfast-Auth: ";
constexpr std::size_t kLargestFile = 8192;

struct TpmKey {
  ASN1_OBJECT* type;
  ASN1_BOOLEAN empty_auth;
  ASN1_INTEGER* parent;
  ASN1_OCTET_STRING* pubkey;
  ASN1_OCTET_STRING* privkey;
};

// clang-format off
ASN1_SEQUENCE(TpmKey) = {
  ASN1_SIMPLE(TpmKey, type, ASN1_OBJECT),
  ASN1_EXP(TpmKey, empty_auth, ASN1_BOOLEAN, 0),
  ASN1_SIMPLE(TpmKey, parent, ASN1_INTEGER),
  ASN1_SIMPLE(TpmKey, pubkey, ASN1_OCTET_STRING),
  ASN1_SIMPLE(TpmKey, privkey, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END(TpmKey)
    // clang-format on

    struct FreeTpmKey {
  void operator()(TpmKey* key) const {
    ASN1_item_free(reinterpret_cast<ASN1_VALUE*>(key), ASN1_ITEM_rptr(TpmKey));
  }
};
using TpmKeyPtr = std::unique_ptr<TpmKey, FreeTpmKey>;

struct FreeOpenssl {
  void operator()(void* memory) const { OPENSSL_free(memory); }
};
template <class T>
using OpensslPtr = std::unique_ptr<T, FreeOpenssl>;
using Bio = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;

template <auto Marshal, class T>
Bytes marshal(const T& value) {
  Bytes bytes(sizeof(value));
  std::size_t size = 0;
  check_rc("Tss2_MU", Marshal(&value, bytes.data(), bytes.size(), &size));
  bytes.resize(size);
  return bytes;
}

template <auto Unmarshal, class T>
bool unmarshal(const ASN1_OCTET_STRING* octets, T& value) {
  const auto size = static_cast<std::size_t>(ASN1_STRING_length(octets));
  std::size_t used = 0;
  return Unmarshal(ASN1_STRING_get0_data(octets), size, &used, &value) == TSS2_RC_SUCCESS &&
         used == size;
}

void set(ASN1_OCTET_STRING* octets, const Bytes& bytes) {
  if (ASN1_OCTET_STRING_set(octets, bytes.data(), static_cast<int>(bytes.size())) != 1)
    throw_openssl("ASN1_OCTET_STRING_set");
}

// The value of the line in front; what comes without it is no error here.
Bytes auth_of(std::string_view text) {
  if (!text.starts_with(kAuthLine)) return {};
  const std::string_view digits = text.substr(kAuthLine.size(), kAuthBytes);
  const auto value = from_hex(digits);
  if (!value || value->size() != kAuthBytes / 2 || to_hex(*value) != digits) return {};
  return {digits.begin(), digits.end()};
}

// What the file says, leniently: from_pem compares it with its one spelling.
std::optional<KeyFile> read(ByteView pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  char* label = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  if (!bio || PEM_read_bio(bio.get(), &label, &header, &data, &size) != 1) return std::nullopt;
  const OpensslPtr<char> own_label(label), own_header(header);
  const OpensslPtr<unsigned char> own_data(data);

  const unsigned char* at = data;
  const TpmKeyPtr fields(
      reinterpret_cast<TpmKey*>(ASN1_item_d2i(nullptr, &at, size, ASN1_ITEM_rptr(TpmKey))));
  if (!fields) return std::nullopt;

  KeyFile key;
  std::uint64_t parent = 0;
  if (ASN1_INTEGER_get_uint64(&parent, fields->parent) != 1 ||
      (parent != kTemplateSrk && parent != kPersistentSrk) ||
      !unmarshal<Tss2_MU_TPM2B_PUBLIC_Unmarshal>(fields->pubkey, key.public_area) ||
      !unmarshal<Tss2_MU_TPM2B_PRIVATE_Unmarshal>(fields->privkey, key.private_area))
    return std::nullopt;
  key.parent = static_cast<TPM2_HANDLE>(parent);
  key.auth = auth_of(as_text(pem));
  return key;
}

}  // namespace

Bytes new_auth() {
  Bytes random(kAuthBytes / 2);
  if (RAND_priv_bytes(random.data(), static_cast<int>(random.size())) != 1)
    throw_openssl("RAND_priv_bytes");
  const std::string digits = to_hex(random);
  return {digits.begin(), digits.end()};
}

std::string to_pem(const KeyFile& key) {
  const TpmKeyPtr fields(reinterpret_cast<TpmKey*>(ASN1_item_new(ASN1_ITEM_rptr(TpmKey))));
  if (!fields) throw_openssl("ASN1_item_new");
  ASN1_OBJECT_free(fields->type);
  fields->type = OBJ_txt2obj(kLoadableKey, 1);
  fields->empty_auth = key.auth.empty() ? 0xFF : 0;  // X.690 §11.1: DER's TRUE
  if (fields->type == nullptr || ASN1_INTEGER_set_uint64(fields->parent, key.parent) != 1)
    throw_openssl("ASN1_INTEGER_set_uint64");
  // The size field is the structure's own, whatever the caller left in it.
  TPM2B_PUBLIC area = key.public_area;
  area.size = 0;
  set(fields->pubkey, marshal<Tss2_MU_TPM2B_PUBLIC_Marshal>(area));
  set(fields->privkey, marshal<Tss2_MU_TPM2B_PRIVATE_Marshal>(key.private_area));

  unsigned char* raw = nullptr;
  const int size =
      ASN1_item_i2d(reinterpret_cast<ASN1_VALUE*>(fields.get()), &raw, ASN1_ITEM_rptr(TpmKey));
  const OpensslPtr<unsigned char> der(raw);
  const Bio bio(BIO_new(BIO_s_mem()));
  if (size <= 0 || !bio || PEM_write_bio(bio.get(), kLabel, "", der.get(), size) <= 0)
    throw_openssl("PEM_write_bio");
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  std::string pem(text, static_cast<std::size_t>(length));
  if (key.auth.empty()) return pem;
  return std::string(kAuthLine) + std::string(as_text(key.auth)) + '\n' + pem;
}

KeyFile from_pem(ByteView pem) {
  if (pem.size() <= kLargestFile) {
    const auto key = read(pem);
    ERR_clear_error();
    if (key && to_pem(*key) == as_text(pem)) return *key;
  }
  throw Error(
      ErrorKind::key_lost,
      "the key file is not a TSS2 PRIVATE KEY as this program writes it: it was damaged or edited; "
      "restore it from a copy, or see docs/recovery.md",
      "from_pem");
}

}  // namespace holdfast::tpm
