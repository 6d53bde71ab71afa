// The AWS shared credentials file, read once to bring a key in and rewritten to take its plaintext
// out. https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/secret.h"

namespace holdfast::cli {

// Zeroed when released: the file holds every profile's secret.
using SecretText = std::vector<char, ZeroingAllocator<char>>;

struct Credentials {
  std::string access_key_id;
  Secret secret_access_key;
};

// $AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials. Throws Failure where there is no home.
std::string credentials_path();

// A file of at most 1 MiB; throws Failure.
SecretText read_credentials_file(const std::string& path);

// The profile's long-term key. Throws Failure where it is missing, given twice, incomplete, or
// temporary (aws_session_token, or an access key id that starts with ASIA).
Credentials find_credentials(std::string_view text, const std::string& profile,
                             const std::string& path);

// The text without the lines that hold the profile's secret access key.
SecretText without_secret(std::string_view text, const std::string& profile);

// Takes the profile's secret out of the file: whole or not at all, same mode, no backup. Throws
// Failure for a symbolic link, a second hard link and another user's file, since the plaintext
// would survive or the file change hands.
void remove_plaintext(const std::string& path, const std::string& profile);

}  // namespace holdfast::cli
