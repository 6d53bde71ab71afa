// Strict JSON: what Boost.JSON would let pass in silence (a repeated name, 1e400, an integer that
// does not fit) is an error here, and so is a field that nobody asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "daemon/base/secret.h"

namespace holdfast {

namespace json = boost::json;

// One JSON text, UTF-8, at most 32 deep. `storage` holds the value. Throws Error{invalid_request} that
// names the offence and its byte offset.
json::value parse_json(std::string_view text, json::storage_ptr storage = {});

// The same, and it must be an object.
json::object parse_json_object(std::string_view text, json::storage_ptr storage = {});

// The same for a text that may hold a secret: the value is in secret_storage(), and nothing of the
// text is left elsewhere.
json::object parse_secret_json_object(std::string_view text);

// Takes fields out of an object, each once, and at the end refuses those that nobody took. Every
// complaint is Error{invalid_request} and names the field. Keeps a reference to the object.
class Fields {
 public:
  explicit Fields(const json::object& object, std::string path = {});

  std::string text(std::string_view name, std::size_t max_bytes);
  std::optional<std::string> optional_text(std::string_view name, std::size_t max_bytes);
  Secret secret(std::string_view name, std::size_t max_bytes);
  std::optional<bool> optional_bool(std::string_view name);
  std::optional<std::int64_t> optional_integer(std::string_view name, std::int64_t low,
                                               std::int64_t high);
  std::optional<Bytes> optional_base64(std::string_view name, std::size_t max_bytes);
  std::vector<std::string> text_list(std::string_view name, std::size_t max_count,
                                     std::size_t max_bytes);  // empty if absent
  const json::value* optional_value(std::string_view name);
  bool has(std::string_view name) const { return object_.contains(name); }

  // Refuses what is left. Call it last.
  void finish() const;

  // Throws Error{invalid_request, "field: complaint"}.
  [[noreturn]] void fail(std::string_view name, std::string_view complaint) const;

 private:
  const json::object& object_;
  std::string path_;
  std::vector<std::string_view> taken_;
};

}  // namespace holdfast
