// What a CA is asked for a certificate with: PKCS#10 (RFC 2986), signed by the device that has the key.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/base/openssl.h"
#include "daemon/key/backend.h"

namespace holdfast {

struct RequestedNames {
  // In order, each attribute a relative name of its own: {"O","Example"}, {"CN","orders"}; the types
  // of RFC 4514 §3 and serialNumber.
  std::vector<std::pair<std::string, std::string>> subject;
  std::vector<std::string> dns, uris;  // subjectAltName
};

class CertificateRequest {
 public:
  // Asks for keyUsage digitalSignature, too. Throws Error{invalid_request} that names the field:
  // subject, dns or uri.
  CertificateRequest(ByteView public_key, Algorithm algorithm, const RequestedNames& names);

  // DER CertificationRequestInfo, which `algorithm` signs.
  Bytes to_be_signed() const;

  // `signature` as Backend::sign gives it.
  std::string to_pem(ByteView signature);

 private:
  std::unique_ptr<X509_REQ, OpensslFree<X509_REQ_free>> request_;
  Algorithm algorithm_;
};

}  // namespace holdfast
