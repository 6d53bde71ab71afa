#include "daemon/key/certificate_request.h"

#include <gtest/gtest.h>

#include "daemon/base/error.h"
#include "daemon/key/verify.h"
#include "tests/unit/certificates.h"

namespace holdfast {
namespace {

using test::new_pair;

// As a device signs: over the digest alone.
Bytes sign(EVP_PKEY* key, const Bytes& digest, bool ecdsa) {
  const EvpPkeyCtx context(EVP_PKEY_CTX_new(key, nullptr));
  EVP_PKEY_sign_init(context.get());
  EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256());
  Bytes signature(512);
  std::size_t size = signature.size();
  EXPECT_EQ(EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()), 1);
  signature.resize(size);
  return ecdsa ? ecdsa_der_to_raw(signature, 32) : signature;
}

std::string complaint_of(const RequestedNames& names) {
  const EvpPkey pair = new_pair();
  try {
    CertificateRequest(test::spki_of(pair.get()), Algorithm::es256, names);
    return {};
  } catch (const Error& error) {
    return error.kind() == ErrorKind::invalid_request ? error.detail() : "WRONG KIND";
  }
}

TEST(CertificateRequest, IsTakenByOpensslForEachAlgorithm) {
  for (const bool rsa : {false, true}) {
    const EvpPkey pair = new_pair(rsa);
    const Algorithm algorithm = rsa ? Algorithm::rs256 : Algorithm::es256;
    CertificateRequest request(test::spki_of(pair.get()), algorithm,
                               {{{"O", "Example"}, {"CN", "orders \xC3\xA4"}},
                                {"orders.example.com"},
                                {"spiffe://example.com/orders"}});
    const Bytes digest = to_be_signed(algorithm, as_text(request.to_be_signed()));
    const std::string pem = request.to_pem(sign(pair.get(), digest, !rsa));
    BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    const std::unique_ptr<X509_REQ, OpensslFree<X509_REQ_free>> read(
        PEM_read_bio_X509_REQ(bio, nullptr, nullptr, nullptr));
    BIO_free(bio);
    ASSERT_TRUE(read);
    EXPECT_EQ(X509_REQ_verify(read.get(), pair.get()), 1);
    EXPECT_EQ(X509_NAME_entry_count(X509_REQ_get_subject_name(read.get())), 2);
  }
}

TEST(CertificateRequest, RefusesWhatIsNoName) {
  EXPECT_EQ(complaint_of({{{"CN", "orders"}}, {"*.example.com"}, {"urn:x"}}), "");
  for (const auto& [type, value] :
       std::vector<std::pair<std::string, std::string>>{{"XX", "x"},
                                                        {"2.5.4.3", "x"},
                                                        {"C", "Germany"},
                                                        {"CN", ""},
                                                        {"CN", std::string(65, 'x')},
                                                        {"CN", std::string("a\0b", 3)},
                                                        {"CN", "\xFF"}})
    EXPECT_TRUE(complaint_of({{{type, value}}, {}, {}}).starts_with("subject:")) << type << value;
  for (const char* dns : {"", ".a", "a.", "a..b", "a b", "a/b", "*"})
    EXPECT_TRUE(complaint_of({{{"CN", "x"}}, {dns}, {}}).starts_with("dns:")) << dns;
  for (const char* uri : {"", "x", ":x", "x:", "x: y", "x:\xC3\xA4"})
    EXPECT_TRUE(complaint_of({{{"CN", "x"}}, {}, {uri}}).starts_with("uri:")) << uri;
}

}  // namespace
}  // namespace holdfast
