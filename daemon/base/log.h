// One line an event, to standard error, as `event name=value …`: what the journal and a terminal
// both read. Values are escaped so that nothing a caller sends can start a line or move a cursor.
// Never given a secret: there is no way to print one.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace holdfast::log {

enum class Level { debug, info, warning, error };

// "debug", "info", "warning", "error", as the configuration spells them; info for anything else.
Level level_from(std::string_view name) noexcept;

struct Field {
  std::string_view name;
  std::string value;
};

// Once, at start: the program's name and the least level that is shown. Under systemd
// (JOURNAL_STREAM) lines carry the journal's priority prefix instead of a time.
void start(std::string_view program, Level least);

// Changes the least level that is shown.
void show(Level least);

void write(Level level, std::string_view event, std::initializer_list<Field> fields = {});
inline void debug(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::debug, event, fields);
}
inline void info(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::info, event, fields);
}
inline void warning(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::warning, event, fields);
}
inline void error(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::error, event, fields);
}

// Quoted where needed; control characters, quotes, backslashes, DEL, C1 controls and bytes that are
// not UTF-8 become \n, \r, \t, \", \\ or \xNN.
std::string escape(std::string_view value);

}  // namespace holdfast::log
