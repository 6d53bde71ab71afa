// RFC 7512 URIs, read by p11-kit's parser.
#pragma once

#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include <memory>
#include <string>

namespace holdfast::pkcs11 {

struct UriFree {
  void operator()(P11KitUri* uri) const { p11_kit_uri_free(uri); }
};
using Uri = std::unique_ptr<P11KitUri, UriFree>;

// Throws Error{invalid_request} for what is no PKCS#11 URI, has attributes that p11-kit does not know, or
// names a module, a slot or a PIN, which are the configuration's.
Uri parse_uri(const std::string& text);

}  // namespace holdfast::pkcs11
