// A private key in a PEM file (RFC 7468), read and judged before it goes to the daemon, so that what
// is wrong with it is said early.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/cli/secret_input.h"

namespace holdfast::cli {

// The labels of the file's PEM blocks, in their order: "EC PARAMETERS", "EC PRIVATE KEY".
std::vector<std::string> pem_labels(std::string_view text);

// Lines outside of all blocks, blank ones aside: what tools write of a key, or what somebody still needs.
bool has_text_beside_pem(std::string_view text);

// The file's one private key as unencrypted PKCS#8 in PEM, which is what `private_key_pem` takes.
// PKCS#8 (RFC 5208), SEC1 (RFC 5915) or PKCS#1 (RFC 8017 A.1.2); EC on P-256 or P-384, RSA of 2048
// or 3072 bits with the exponent 65537. `ask` gives the passphrase, once, of an encrypted one.
// `where` names the file in errors. Throws Failure.
Secret unencrypted_pkcs8(std::string_view text, const std::string& where,
                         const std::function<Secret()>& ask);

}  // namespace holdfast::cli
