// What curl would send for a command, worked out before it is sent, so that it can be signed; and
// the curl configuration that sends exactly that.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/json.h"
#include "sdk/cli/curl_options.h"

namespace holdfast::cli {

using Header = std::pair<std::string, std::string>;

struct CurlRequest {
  std::string method;
  std::string url;                     // on the wire
  std::vector<Header> headers;         // that are signed: content-type, range, host, x-amz-*
  std::vector<std::string> as_given;   // every header line for curl, in its own notation
  std::optional<std::string> body;     // of -d and --json
  std::optional<std::string> upload;   // file of -T
  std::optional<std::string> payload;  // of a X-Amz-Content-Sha256 header that the user gave
};

// Reads the files of -d @FILE as curl does. Throws Failure.
CurlRequest plan_curl(const CurlCommand& command);

// The body of POST /v1/sign/sigv4: small bodies as they are, so that the daemon sees an Action in
// them, larger ones and uploads by their digest.
json::object sign_body(const CurlCommand& command, const CurlRequest& request);

// For curl -K; `body_path` is where the bytes of request.body lie.
std::string curl_config(const CurlCommand& command, const CurlRequest& request,
                        const std::vector<Header>& signed_headers, const std::string& body_path);

// SHA-256 in hex of a file of any size ("-": standard input). Throws Failure.
std::string hash_file(const std::string& path);

}  // namespace holdfast::cli
