// URLs as people type them, made into what goes on the wire (RFC 3986).
#pragma once

#include <string>
#include <string_view>

namespace holdfast::cli {

// Percent-encodes what may not stand in a path or query (spaces, UTF-8, quotes, a lone '%'); an
// existing %XX stays as it is. Scheme and host stay as they are. Throws Failure{usage} for another
// scheme than http and https, user information, a host that is not ASCII, a control character, and
// a fragment, which is never sent and so most likely a '#' that should have been %23.
std::string encode_url(std::string_view url);

// The query with `addition` appended; as encode_url does it.
std::string with_query(std::string_view url, std::string_view addition);

// A path that ends in '/' gets `name` as its last segment, as curl -T does it.
std::string with_file_name(std::string_view url, std::string_view name);

// All but RFC 3986's unreserved characters as %XX, as curl's --data-urlencode does it.
std::string encode_component(std::string_view text);

}  // namespace holdfast::cli
