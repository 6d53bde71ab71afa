// The caller's headers: checked, and in the form that is signed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/json.h"
#include "daemon/format/uri.h"

namespace holdfast::format {

struct Header {
  std::string name;   // lower case
  std::string value;  // no blank at its ends, each inner run of blanks one space
};

// The list of ["Name","value"] of a field, in the caller's order. Refuses what a signature itself brings
// (Authorization, X-Amz-Date, X-Amz-Security-Token, X-Amz-Region-Set), a name that is no token (RFC 9110 §5.6.2)
// and a value with a control character other than a tab.
std::vector<Header> listed_headers(Fields& fields, std::string_view field);

// Reads `headers` and `sign_headers`; returns those that are signed, in the caller's order, the
// host first: host, content-type, range, every x-amz-*, and what sign_headers names. The caller may
// list others; they are neither signed nor facts. `host` is the Host header where one is given,
// which has to name the url's host, else url.authority(). Refuses what a signature itself brings
// (Authorization, X-Amz-Date, X-Amz-Security-Token, X-Amz-Region-Set), a name that is no token (RFC 9110 §5.6.2), a
// value with a control character other than a tab, a second Host, and a sign_headers entry that no
// header has.
std::vector<Header> read_headers(Fields& fields, const Url& url);

// Sorted by name; values of one name joined by "," in their order (what is signed of them).
std::vector<Header> canonical_headers(std::vector<Header> headers);

// Must not reach a log: facts show its digest. `name` in lower case.
bool is_secret_header(std::string_view name) noexcept;

}  // namespace holdfast::format
