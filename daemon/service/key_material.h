// What a new version of a key is made of, as the body of an admin call says it.
#pragma once

#include <string>
#include <variant>

#include "daemon/base/json.h"
#include "daemon/key/key.h"
#include "daemon/key/private_key_pem.h"

namespace holdfast {

struct MadeByDevice {};

struct AccessKey {
  std::string id;
  Secret derivation_key;  // "AWS4" + secret access key: what kDate is made with
};

struct GivenKey {
  PrivateKey key;
  std::string kid;  // empty: the JWK thumbprint
};

using Material = std::variant<MadeByDevice, AccessKey, GivenKey>;

// The fields of a key that is imported for `use`: access_key_id and secret_access_key for sigv4, else
// private_key_pem and kid. Throws Error{invalid_request} that names the field. The object that `fields`
// reads has to be in secret_storage().
Material read_imported(Fields& fields, KeyUse use);

// The type of a key of this material; `made` where the device makes it.
KeyType type_of(const Material& material, KeyType made);

}  // namespace holdfast
