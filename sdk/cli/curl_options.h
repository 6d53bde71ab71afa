// Those of curl's options that a signature can be made for; any other is refused by name, since it
// might change what is sent after it was signed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::cli {

struct CurlDatum {
  enum class Kind { ascii, raw, binary, urlencode, json } kind;
  std::string text;
};

struct CurlCommand {
  std::string key, region, region_set, service, socket;  // ours
  bool help = false;
  std::string url;
  std::optional<std::string> method, upload, range;
  std::vector<std::string> headers;  // as given: "Name: value", "Name:" or "Name;"
  std::vector<CurlDatum> data;
  bool get = false, head = false;
  std::vector<std::pair<std::string, std::optional<std::string>>> passed;  // long name, value
};

// Takes the arguments after `aws curl`, as curl would: short options can be joined, a value can
// follow at once. Throws Failure{usage}.
CurlCommand parse_curl(const std::vector<std::string>& arguments);

// Every option as it is typed ("-X", "--request"), for completion.
std::vector<std::string> curl_option_names();

std::string curl_help();

}  // namespace holdfast::cli
