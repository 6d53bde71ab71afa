#include "daemon/service/query.h"

#include <algorithm>
#include <boost/algorithm/string/split.hpp>
#include <charconv>
#include <vector>

#include "daemon/base/error.h"

namespace holdfast {

Query::Query(std::string_view text, std::initializer_list<std::string_view> known) {
  std::vector<std::string> pairs;
  if (!text.empty()) boost::algorithm::split(pairs, text, [](char c) { return c == '&'; });
  for (const std::string& pair : pairs) {
    const auto equals = pair.find('=');
    const std::string name = pair.substr(0, equals);
    if (std::ranges::find(known, name) == known.end())
      throw Error(ErrorKind::invalid_request,
                  "query: " + name.substr(0, 64) + " is not a known name");
    if (!values_.emplace(name, equals == std::string::npos ? "" : pair.substr(equals + 1)).second)
      throw Error(ErrorKind::invalid_request, "query: " + name + " is given twice");
  }
}

std::string Query::text(const std::string& name) const {
  const auto at = values_.find(name);
  return at == values_.end() ? std::string() : at->second;
}

std::int64_t Query::number(const std::string& name, std::int64_t low, std::int64_t high,
                           std::int64_t otherwise) const {
  const auto at = values_.find(name);
  if (at == values_.end()) return otherwise;
  std::int64_t value = 0;
  const char* end = at->second.data() + at->second.size();
  const auto [stop, ec] = std::from_chars(at->second.data(), end, value);
  if (ec != std::errc() || stop != end || value < low || value > high)
    throw Error(ErrorKind::invalid_request, "query: " + name + " has to be a number from " +
                                                std::to_string(low) + " to " +
                                                std::to_string(high));
  return value;
}

}  // namespace holdfast
