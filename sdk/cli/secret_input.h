// A secret on its way in: from standard input, a terminal or a file, never from an argument, in
// memory that is locked or zeroed.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/secret.h"

namespace holdfast::cli {

// A file of at most `limit` bytes, "-" for standard input. Throws Failure, with `advice` where it
// can't be opened.
SecretText read_secret_file(const std::string& path, std::size_t limit, const std::string& advice);

// From standard input to its end, without the last newline; from a terminal after `prompt`, without
// echo, one line. Throws Failure unless check_secret() takes it.
Secret read_secret(const std::string& prompt);

// The first line of `file`; without a file what is typed on the controlling terminal after
// `prompt`, without echo, whatever standard input is. 1 to 1023 bytes. Throws Failure.
Secret read_passphrase(const std::string& prompt, const std::string& file);

// Throws Failure{failed} unless it is 1 to 124 printable ASCII characters: with "AWS4" before it,
// no more fit a device's HMAC key.
void check_secret(const Secret& secret);

// `{…rest…,"name":"secret"}`, where `rest` is a JSON object and `secret` ASCII text.
SecretText with_secret_field(const std::string& rest, std::string_view name, const Secret& secret);

}  // namespace holdfast::cli
