// A profile of ~/.aws/config, written so that every SDK reads the same from it.
// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::cli {

// Words as one line that a POSIX shell (Go, Java, JavaScript) and Python's shlex (boto3, AWS CLI)
// split into these words again. Throws Failure{usage} for what no configuration file can hold: a
// control character, and '#' or ';', at which some SDKs begin a comment.
std::string quote_command(const std::vector<std::string>& words);

// The words of such a line. Throws Failure{failed} for a quote without an end.
std::vector<std::string> split_command(std::string_view line);

using Settings = std::vector<std::pair<std::string, std::string>>;

// "[profile NAME]", for default "[default]", and a line for each setting. Throws Failure{usage}
// for a name that is not 1 to 64 of A-Z a-z 0-9 _ . @ + / -.
std::string profile_section(const std::string& name, const Settings& settings);

bool has_profile(std::string_view text, const std::string& name);

// The text with the profile's settings in place of those of the same name, and everything else as
// it was; a profile that is not there comes at the end.
std::string with_profile(std::string_view text, const std::string& name, const Settings& settings);

// Its credential_process, where it has one.
std::optional<std::string> credential_process_of(std::string_view text, const std::string& name);

// The names in the profile that SDKs take before a credential_process.
std::vector<std::string> outranking(std::string_view text, const std::string& name);

}  // namespace holdfast::cli
