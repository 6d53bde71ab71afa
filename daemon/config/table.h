// TOML read strictly: a key that nobody asked for, a wrong type or an empty list is an error with
// file and line. What base/json.h is to requests, this is to the configuration.
#pragma once

#include <toml++/toml.h>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::config {

// A line is at most this long: it bounds how deep one dotted key can nest.
inline constexpr std::size_t kMaxLineBytes = 4096;

// Throws Error{invalid_request, "file:line: complaint"}.
toml::table parse_toml(const std::string& file, std::string_view text);

// [a-z0-9][a-z0-9._-]{0,62}: keys, devices and grants are named so.
bool is_name(std::string_view text) noexcept;

// Control characters, which no path, name or address has.
bool has_control(std::string_view text) noexcept;

// One table. Takes keys out, each once, and at the end refuses those that nobody took. Every
// complaint is Error{invalid_request, "file:line: subject: complaint"}. Keeps references to table
// and file name.
class Table {
 public:
  Table(const toml::table& table, const std::string& file, std::string subject);

  std::optional<std::string> text(std::string_view key);
  std::string required_text(std::string_view key);
  // One of `known`.
  std::optional<std::string> choice(std::string_view key,
                                    std::initializer_list<std::string_view> known);
  // An absolute path, without a slash at its end; `example` is for the complaint.
  std::optional<std::string> path(std::string_view key, std::string_view example);
  std::vector<std::string> paths(std::string_view key, std::string_view example);
  // A string or a list of them, never an empty list; empty if absent.
  std::vector<std::string> texts(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t low, std::int64_t high);
  // An integer or a list of them, as texts().
  std::vector<std::int64_t> integers(std::string_view key, std::int64_t low, std::int64_t high);
  std::optional<Table> table(std::string_view key);
  std::vector<Table> tables(std::string_view key);  // [[key]]

  bool has(std::string_view key) const { return table_->contains(key); }
  bool is_boolean(std::string_view key) const;
  bool is_text(std::string_view key) const;
  bool is_integer(std::string_view key) const;
  bool is_table(std::string_view key) const;
  bool is_empty() const { return table_->empty(); }
  std::vector<std::string> keys() const;

  // Somebody else reads it: not refused here.
  void known(std::string_view key) { taken_.emplace_back(key); }
  // Refuses what is left. Call it last.
  void finish() const;

  // What complaints say the table is, such as `grant "orders-s3"`.
  void rename(std::string subject) { subject_ = std::move(subject); }
  // "file:line" of a key, or of the table where it has no such key.
  std::string where(std::string_view key = {}) const;
  [[noreturn]] void fail(std::string_view key, std::string_view complaint) const;

 private:
  const toml::node* take(std::string_view key);
  std::string judged_path(std::string_view key, std::string path, std::string_view example) const;

  const toml::table* table_;
  const std::string* file_;
  std::string subject_;
  std::vector<std::string> taken_;
};

}  // namespace holdfast::config
