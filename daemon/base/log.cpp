#include "daemon/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

#include "daemon/base/bytes.h"

namespace holdfast::log {
namespace {

bool to_journal = false;
std::shared_ptr<spdlog::logger> logger = spdlog::stderr_logger_mt("holdfast");

spdlog::level::level_enum native(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// sd-daemon(3): the priorities of syslog between angle brackets.
std::string_view priority(Level level) {
  switch (level) {
    case Level::debug:
      return "<7>";
    case Level::info:
      return "<6>";
    case Level::warning:
      return "<4>";
    case Level::error:
      return "<3>";
  }
  return "<3>";
}

void append_hex(std::string& out, unsigned char c) {
  out.append("\\x").append(to_hex(ByteView(&c, 1)));
}

}  // namespace

Level level_from(std::string_view name) noexcept {
  if (name == "debug") return Level::debug;
  if (name == "warning") return Level::warning;
  if (name == "error") return Level::error;
  return Level::info;
}

void start(std::string_view program, Level least) {
  to_journal = std::getenv("JOURNAL_STREAM") != nullptr;
  show(least);
  logger->set_pattern(
      to_journal ? "%v" : "%Y-%m-%dT%H:%M:%S.%eZ " + std::string(program) + "[%P] %l %v",
      spdlog::pattern_time_type::utc);
}

void show(Level least) {
  logger->set_level(native(least));
}

void write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  if (!logger->should_log(native(level))) return;
  std::string line;
  if (to_journal) line.append(priority(level));
  line.append(event);
  for (const Field& field : fields)
    line.append(" ").append(field.name).append("=").append(escape(field.value));
  logger->log(native(level), spdlog::string_view_t(line.data(), line.size()));
}

std::string escape(std::string_view value) {
  const bool text = is_utf8(value);
  std::string out;
  bool quote = value.empty();
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto c = static_cast<unsigned char>(value[i]);
    if (c == '\n')
      out.append("\\n");
    else if (c == '\r')
      out.append("\\r");
    else if (c == '\t')
      out.append("\\t");
    else if (c == '"' || c == '\\')
      out.append({'\\', static_cast<char>(c)});
    else if (c < 0x20 || c == 0x7F || (c >= 0x80 && !text))
      append_hex(out, c);
    else if (c == 0xC2 && static_cast<unsigned char>(value[i + 1]) < 0xA0) {
      append_hex(out, c);  // U+0080…U+009F, the C1 controls that some terminals obey
      append_hex(out, static_cast<unsigned char>(value[++i]));
    } else
      out.push_back(static_cast<char>(c));
    quote = quote || c == ' ' || c == '=' || c == '"' || c == '\\' || c < 0x20 || c >= 0x7F;
  }
  return quote ? "\"" + out + "\"" : out;
}

}  // namespace holdfast::log
