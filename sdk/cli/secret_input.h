// A secret on its way in: from standard input or a terminal, never from an argument, in memory that
// is locked or zeroed.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/secret.h"
#include "sdk/cli/credentials.h"

namespace holdfast::cli {

// From standard input to its end, without the last newline; from a terminal after `prompt`, without
// echo, one line. 1 to 128 printable ASCII characters. Throws Failure.
Secret read_secret(const std::string& prompt);

// Throws Failure{failed} unless it is 1 to 124 printable ASCII characters: with "AWS4" before it,
// no more fit a device's HMAC key.
void check_secret(const Secret& secret);

// `{…rest…,"name":"secret"}`, where `rest` is a JSON object.
SecretText with_secret_field(const std::string& rest, std::string_view name, const Secret& secret);

}  // namespace holdfast::cli
