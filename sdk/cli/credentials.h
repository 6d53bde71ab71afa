// The AWS shared credentials file, read once to bring a key in and rewritten to take its plaintext
// out. https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/secret.h"
#include "sdk/cli/secret_input.h"

namespace holdfast::cli {

struct Credentials {
  std::string access_key_id;
  Secret secret_access_key;
};

// $AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials. Throws Failure where there is no home.
std::string credentials_path();

// A file of at most 1 MiB, which holds every profile's secret; throws Failure.
SecretText read_credentials_file(const std::string& path);

// The profile's long-term key. Throws Failure where it is missing, given twice, incomplete, or
// temporary (aws_session_token, or an access key id that starts with ASIA).
Credentials find_credentials(std::string_view text, const std::string& profile,
                             const std::string& path);

// The text without the lines that hold the profile's secret access key.
SecretText without_secret(std::string_view text, const std::string& profile);

// Throws Failure for a symbolic link, a second hard link and another user's file: what is removed
// from such a file survives elsewhere, or the file changes hands. `by_hand`: what to do instead.
void require_sole_copy(const std::string& path, const std::string& by_hand);

// Takes the profile's secret out of the file, which has to be its sole copy: whole or not at all,
// same mode, no backup. Throws Failure.
void remove_plaintext(const std::string& path, const std::string& profile);

}  // namespace holdfast::cli
