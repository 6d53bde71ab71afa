// Where credentials are asked for: https, or on loopback http, and nothing of a path.
#pragma once

#include <string>
#include <string_view>

namespace holdfast::aws {

// "https://host[:port]" without a slash at its end. Throws cli::Failure{usage} for user
// information, a path, a query, another scheme, and http to another host than loopback.
std::string check_endpoint(std::string_view url);

// Whether a URL's host is this machine itself: localhost, 127.0.0.0/8, ::1.
bool is_loopback(std::string_view url);

}  // namespace holdfast::aws
