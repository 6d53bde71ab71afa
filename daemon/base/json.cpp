#include "daemon/base/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <memory_resource>
#include <set>

#include <boost/json/basic_parser_impl.hpp>

#include "daemon/base/error.h"

namespace holdfast {
namespace {

constexpr std::size_t kMaxDepth = 32;

// Builds a json::value like Boost.JSON's own handler, and refuses what that one would let pass.
struct StrictHandler {
  static constexpr std::size_t max_object_size = 4096;
  static constexpr std::size_t max_array_size = 65536;
  static constexpr std::size_t max_key_size = 65536;
  static constexpr std::size_t max_string_size = 1 << 20;

  explicit StrictHandler(json::storage_ptr storage) : stack(storage) { stack.reset(storage); }
  StrictHandler(const StrictHandler&) = delete;
  StrictHandler& operator=(const StrictHandler&) = delete;

  using error_code = boost::system::error_code;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    names.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t n, error_code&) {
    names.pop_back();
    stack.push_object(n);
    return true;
  }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t n, error_code&) {
    stack.push_array(n);
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, error_code&) {
    key.append(part);
    stack.push_chars(part);
    return true;
  }
  bool on_key(json::string_view part, std::size_t, error_code& ec) {
    key.append(part);
    if (!names.back().emplace(key).second) {
      complaint = "the name \"" + key.substr(0, 64) + "\" is given twice";
      ec = json::error::syntax;
      return false;
    }
    key.clear();
    stack.push_key(part);
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, error_code&) {
    stack.push_chars(part);
    return true;
  }
  bool on_string(json::string_view part, std::size_t, error_code&) {
    stack.push_string(part);
    return true;
  }
  bool on_number_part(json::string_view part, error_code&) {
    number.append(part);
    return true;
  }
  bool on_int64(std::int64_t value, json::string_view, error_code&) {
    number.clear();
    stack.push_int64(value);
    return true;
  }
  bool on_uint64(std::uint64_t value, json::string_view, error_code&) {
    number.clear();
    stack.push_uint64(value);
    return true;
  }
  bool on_double(double, json::string_view part, error_code& ec) {
    number.append(part);
    // Boost.JSON hands an integer that fits no integer type over as a double, and its doubles can be
    // off by one unit in the last place: what is signed has to be the very number that was given.
    const bool is_integer = number.find_first_of(".eE") == std::string::npos;
    double value = 0;
    const char* end = number.data() + number.size();
    const auto [at, code] = std::from_chars(number.data(), end, value);
    if (is_integer || code != std::errc() || at != end) {
      complaint = is_integer ? "an integer does not fit 64 bits"
                             : "a number is too large or too small for a double";
      ec = json::error::not_number;
      return false;
    }
    number.clear();
    stack.push_double(value);
    return true;
  }
  bool on_bool(bool value, error_code&) {
    stack.push_bool(value);
    return true;
  }
  bool on_null(error_code&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }

  json::value_stack stack;
  std::array<std::byte, 4096> start;
  std::pmr::monotonic_buffer_resource names_storage{start.data(), start.size()};
  std::pmr::vector<std::pmr::set<std::pmr::string>> names{&names_storage};
  std::string key;
  std::string number;
  std::string complaint;
};

}  // namespace

// Never inlined: its frame has to be gone when parse_secret_json_object() zeroes the stack.
[[gnu::noinline]] json::value parse_json(std::string_view text, json::storage_ptr storage) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::basic_parser<StrictHandler> parser(options, std::move(storage));
  json::error_code ec;
  const std::size_t consumed = parser.write_some(false, text.data(), text.size(), ec);
  if (!ec && consumed < text.size()) ec = json::error::extra_data;
  if (ec) {
    const std::string& complaint = parser.handler().complaint;
    throw Error(ErrorKind::invalid_request, "JSON, byte " + std::to_string(consumed) + ": " +
                                                (complaint.empty() ? ec.message() : complaint));
  }
  return parser.handler().stack.release();
}

json::object parse_json_object(std::string_view text, json::storage_ptr storage) {
  json::value value = parse_json(text, std::move(storage));
  if (!value.is_object())
    throw Error(ErrorKind::invalid_request, "JSON: the body has to be an object");
  return std::move(value.get_object());
}

json::object parse_secret_json_object(std::string_view text) {
  // Boost.JSON unescapes a string's parts in a local variable.
  struct Cleanse {
    ~Cleanse() { cleanse_stack(); }
  } const afterwards;
  return parse_json_object(text, secret_storage());
}

Fields::Fields(const json::object& object, std::string path)
    : object_(object), path_(std::move(path)) {}

const json::value* Fields::optional_value(std::string_view name) {
  taken_.push_back(name);
  return object_.if_contains(name);
}

std::optional<std::string> Fields::optional_text(std::string_view name, std::size_t max_bytes) {
  const json::value* value = optional_value(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail(name, "has to be a string");
  const json::string& text = value->get_string();
  if (text.size() > max_bytes) fail(name, "is longer than " + std::to_string(max_bytes) + " bytes");
  return std::string(text);
}

std::string Fields::text(std::string_view name, std::size_t max_bytes) {
  auto value = optional_text(name, max_bytes);
  if (!value) fail(name, "is required");
  return std::move(*value);
}

Secret Fields::secret(std::string_view name, std::size_t max_bytes) {
  const json::value* value = optional_value(name);
  if (value == nullptr) fail(name, "is required");
  if (!value->is_string()) fail(name, "has to be a string");
  const json::string& text = value->get_string();
  if (text.empty()) fail(name, "is empty");
  if (text.size() > max_bytes) fail(name, "is longer than " + std::to_string(max_bytes) + " bytes");
  return Secret(holdfast::as_bytes({text.data(), text.size()}));
}

std::optional<bool> Fields::optional_bool(std::string_view name) {
  const json::value* value = optional_value(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) fail(name, "has to be true or false");
  return value->get_bool();
}

std::optional<std::int64_t> Fields::optional_integer(std::string_view name, std::int64_t low,
                                                     std::int64_t high) {
  const json::value* value = optional_value(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int64() || value->get_int64() < low || value->get_int64() > high)
    fail(name, "has to be an integer from " + std::to_string(low) + " to " + std::to_string(high));
  return value->get_int64();
}

std::optional<Bytes> Fields::optional_base64(std::string_view name, std::size_t max_bytes) {
  const auto encoded = optional_text(name, max_bytes / 3 * 4 + 4);
  if (!encoded) return std::nullopt;
  auto bytes = from_base64(*encoded);
  if (!bytes) fail(name, "is not standard base64 with padding");
  return bytes;
}

std::vector<std::string> Fields::text_list(std::string_view name, std::size_t max_count,
                                           std::size_t max_bytes) {
  const json::value* value = optional_value(name);
  if (value == nullptr) return {};
  if (!value->is_array()) fail(name, "has to be a list of strings");
  if (value->get_array().size() > max_count)
    fail(name, "has more than " + std::to_string(max_count) + " entries");
  std::vector<std::string> list;
  for (const json::value& entry : value->get_array()) {
    if (!entry.is_string()) fail(name, "has to be a list of strings");
    if (entry.get_string().size() > max_bytes)
      fail(name, "has an entry longer than " + std::to_string(max_bytes) + " bytes");
    list.emplace_back(entry.get_string());
  }
  return list;
}

void Fields::finish() const {
  for (const auto& entry : object_)
    if (std::ranges::find(taken_, std::string_view(entry.key())) == taken_.end())
      fail(entry.key_c_str(), "is not a known field");
}

void Fields::fail(std::string_view name, std::string_view complaint) const {
  std::string detail = path_.empty() ? std::string() : path_ + ".";
  detail.append(name.substr(0, 64)).append(": ").append(complaint);
  throw Error(ErrorKind::invalid_request, std::move(detail));
}

}  // namespace holdfast
