// Text in TOML's basic quotes, in ASCII: nothing that a terminal obeys or that looks like something
// else gets through.
#pragma once

#include <string>
#include <string_view>

namespace holdfast::policy {

// `text` is UTF-8; throws Error{invalid_request} if not. https://toml.io/en/v1.0.0#string
std::string quote(std::string_view text);

}  // namespace holdfast::policy
