// What people read: aligned tables and text that can't move a cursor.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/json.h"

namespace holdfast::cli {

// Control characters (C0, DEL, C1) and bytes that are not UTF-8 as \xNN.
std::string printable(std::string_view text);

class Table {
 public:
  explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  // One line a row, cells printable, columns aligned by characters.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// The field as a person reads it: text as it is, lists joined by ", ", nothing as "-".
std::string field(const json::object& object, std::string_view name);
std::string plain(const json::value& value);

// To standard output, with a newline. Throws Failure where it can't be written (a full disk).
void print(std::string_view line);
// To standard error, with a newline.
void note(std::string_view line);

}  // namespace holdfast::cli
