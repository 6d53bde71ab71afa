#include "daemon/config/table.h"

#include <algorithm>

#include "daemon/base/error.h"
#include "daemon/base/log.h"

namespace holdfast::config {
namespace {

[[noreturn]] void refuse(const std::string& where, std::string_view complaint) {
  throw Error(ErrorKind::invalid_request, where + ": " + std::string(complaint));
}

// A list of what `read` makes of each element, or of the one value that stands for a list.
template <class T, class Read>
std::vector<T> list_of(const toml::node* node, Read read, auto refuse_empty) {
  std::vector<T> values;
  if (node == nullptr) return values;
  const toml::array* array = node->as_array();
  if (array == nullptr) return {read(*node)};
  if (array->empty()) refuse_empty();
  for (const toml::node& element : *array) values.push_back(read(element));
  return values;
}

}  // namespace

toml::table parse_toml(const std::string& file, std::string_view text) {
  std::size_t line = 1;
  for (std::string_view rest = text; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (end > kMaxLineBytes)
      refuse(file + ":" + std::to_string(line), "the line is longer than " +
                                                    std::to_string(kMaxLineBytes) +
                                                    " bytes: break the list over several lines");
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  try {
    return toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    refuse(file + ":" + std::to_string(error.source().begin.line),
           "this is not valid TOML: " + std::string(error.description()));
  }
}

bool is_name(std::string_view text) noexcept {
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= 63 && letter_or_digit(text.front()) &&
         std::ranges::all_of(
             text, [&](char c) { return letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

bool has_control(std::string_view text) noexcept {
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

Table::Table(const toml::table& table, const std::string& file, std::string subject)
    : table_(&table), file_(&file), subject_(std::move(subject)) {}

const toml::node* Table::take(std::string_view key) {
  taken_.emplace_back(key);
  return table_->get(key);
}

std::optional<std::string> Table::text(std::string_view key) {
  const toml::node* node = take(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_string()) fail(key, "has to be a string in quotes");
  return node->as_string()->get();
}

std::string Table::required_text(std::string_view key) {
  auto value = text(key);
  if (!value) fail(key, "is missing: add it");
  return std::move(*value);
}

std::optional<std::string> Table::choice(std::string_view key,
                                         std::initializer_list<std::string_view> known) {
  auto value = text(key);
  if (!value || std::ranges::find(known, std::string_view(*value)) != known.end()) return value;
  std::string list;
  for (const std::string_view name : known)
    list.append(list.empty() ? "\"" : ", \"").append(name).append("\"");
  fail(key, "is " + log::escape(value->substr(0, 128)) + "; it has to be one of " + list);
}

std::optional<std::string> Table::path(std::string_view key, std::string_view example) {
  auto value = text(key);
  if (value) value = judged_path(key, std::move(*value), example);
  return value;
}

std::vector<std::string> Table::paths(std::string_view key, std::string_view example) {
  std::vector<std::string> all = texts(key);
  for (std::string& path : all) path = judged_path(key, std::move(path), example);
  return all;
}

std::string Table::judged_path(std::string_view key, std::string path,
                               std::string_view example) const {
  if (!path.starts_with('/') || has_control(path))
    fail(key, "has to be an absolute path, such as \"" + std::string(example) + "\"");
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::vector<std::string> Table::texts(std::string_view key) {
  return list_of<std::string>(
      take(key),
      [&](const toml::node& node) {
        if (!node.is_string()) fail(key, "has to be a string in quotes, or a list of them");
        return node.as_string()->get();
      },
      [&] { fail(key, "is an empty list, which nothing matches: leave it out or fill it"); });
}

std::optional<bool> Table::boolean(std::string_view key) {
  const toml::node* node = take(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_boolean()) fail(key, "has to be true or false, without quotes");
  return node->as_boolean()->get();
}

std::optional<std::int64_t> Table::integer(std::string_view key, std::int64_t low,
                                           std::int64_t high) {
  const toml::node* node = take(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_integer() || node->as_integer()->get() < low || node->as_integer()->get() > high)
    fail(key, "has to be an integer from " + std::to_string(low) + " to " + std::to_string(high) +
                  ", without quotes");
  return node->as_integer()->get();
}

std::vector<std::int64_t> Table::integers(std::string_view key, std::int64_t low,
                                          std::int64_t high) {
  return list_of<std::int64_t>(
      take(key),
      [&](const toml::node& node) {
        if (!node.is_integer() || node.as_integer()->get() < low || node.as_integer()->get() > high)
          fail(key, "has to be an integer from " + std::to_string(low) + " to " +
                        std::to_string(high) + ", without quotes, or a list of them");
        return node.as_integer()->get();
      },
      [&] { fail(key, "is an empty list, which nothing matches: leave it out or fill it"); });
}

std::optional<Table> Table::table(std::string_view key) {
  const toml::node* node = take(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_table()) fail(key, "has to be a table, such as { name = \"value\" }");
  return Table(*node->as_table(), *file_,
               subject_.empty() ? std::string(key) : subject_ + ": " + std::string(key));
}

std::vector<Table> Table::tables(std::string_view key) {
  const toml::node* node = take(key);
  std::vector<Table> all;
  if (node == nullptr) return all;
  const std::string header = "[[" + std::string(key) + "]]";
  const auto refuse_type = [&] {
    fail(key, "has to be written with two brackets, " + header + ", one for each");
  };
  if (!node->is_array()) refuse_type();
  for (const toml::node& element : *node->as_array()) {
    if (!element.is_table()) refuse_type();
    all.emplace_back(*element.as_table(), *file_, header);
  }
  return all;
}

bool Table::is_boolean(std::string_view key) const {
  const toml::node* node = table_->get(key);
  return node != nullptr && node->is_boolean();
}
bool Table::is_text(std::string_view key) const {
  const toml::node* node = table_->get(key);
  return node != nullptr && node->is_string();
}
bool Table::is_integer(std::string_view key) const {
  const toml::node* node = table_->get(key);
  return node != nullptr && node->is_integer();
}
bool Table::is_table(std::string_view key) const {
  const toml::node* node = table_->get(key);
  return node != nullptr && node->is_table();
}

std::vector<std::string> Table::keys() const {
  std::vector<std::string> all;
  for (const auto& [key, value] : *table_) all.emplace_back(key.str());
  return all;
}

void Table::finish() const {
  for (const auto& [key, value] : *table_) {
    if (std::ranges::find(taken_, key.str()) != taken_.end()) continue;
    std::string known;
    for (const std::string& name : taken_) known.append(known.empty() ? "" : ", ").append(name);
    fail(key.str(), "is not known here; known: " + known);
  }
}

std::string Table::where(std::string_view key) const {
  toml::source_region source = table_->source();
  // The key and not its value: of `[[grant]]` the value's line is the first of them, of a key both
  // are the same.
  if (const auto entry = table_->find(key); entry != table_->end()) source = entry->first.source();
  return *file_ + ":" + std::to_string(source.begin.line);
}

void Table::fail(std::string_view key, std::string_view complaint) const {
  std::string text = subject_.empty() ? "" : subject_ + ": ";
  text.append(log::escape(key.substr(0, 128))).append(" ").append(complaint);
  refuse(where(key), text);
}

}  // namespace holdfast::config
