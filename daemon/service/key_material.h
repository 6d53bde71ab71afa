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

// A key that is on the device already.
struct OnDevice {
  std::string uri;  // RFC 7512
};

using Material = std::variant<MadeByDevice, AccessKey, GivenKey, OnDevice>;

// The fields of a key that is imported for `use`: access_key_id and secret_access_key for sigv4 and sigv4a,
// which has its private key derived from them here and is a GivenKey from then on; else
// private_key_pem and kid. Throws Error{invalid_request} that names the field. The object that `fields`
// reads has to be in secret_storage().
Material read_imported(Fields& fields, KeyUse use);

// `uri`, of a key that is enrolled. Throws as read_imported() does; what it means is the device's to judge.
OnDevice read_enrolled(Fields& fields);

// The type of a key of this material; `made` where the device makes it, or has it and will say.
KeyType type_of(const Material& material, KeyType made);

}  // namespace holdfast
