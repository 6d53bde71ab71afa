#include "sdk/cli/output.h"

#include <algorithm>
#include <cstdio>

#include "daemon/base/bytes.h"
#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

std::string printable(std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  const bool utf8 = is_utf8(text);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool c1 =
        c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c < 0x20 || c == 0x7F || (c >= 0x80 && !utf8) || c1) {
      const auto shown = c1 ? static_cast<unsigned char>(text[++i]) : c;
      out += {'\\', 'x', kDigits[shown >> 4], kDigits[shown & 15]};
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string Table::text() const {
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  std::vector<std::vector<std::string>> cells;
  for (const auto& row : rows_) {
    auto& line = cells.emplace_back();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      line.push_back(i < row.size() && !row[i].empty() ? printable(row[i]) : "-");
      widths[i] = std::max(widths[i], characters(line.back()));
    }
  }
  std::string out;
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      out += line[i];
      if (i + 1 < line.size()) out.append(widths[i] - characters(line[i]) + 2, ' ');
    }
    out += '\n';
  }
  if (!out.empty()) out.pop_back();
  return out;
}

std::string plain(const json::value& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return printable(value.as_string());
  if (value.is_bool()) return value.as_bool() ? "yes" : "no";
  if (value.is_array()) {
    std::string out;
    for (const json::value& item : value.as_array()) out += (out.empty() ? "" : ", ") + plain(item);
    return out.empty() ? "-" : out;
  }
  return json::serialize(value);
}

std::string field(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (!value) return "-";
  const std::string text = plain(*value);
  return text.empty() ? "-" : text;
}

void print(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  if (std::fflush(stdout) != 0)
    throw Failure(Exit::failed, "the result can't be written to standard output",
                  "is the disk full, or the reader gone?");
}

void note(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fputc('\n', stderr);
}

}  // namespace holdfast::cli
