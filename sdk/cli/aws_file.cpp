#include "sdk/cli/aws_file.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

std::string_view trim(std::string_view text) {
  const auto start = text.find_first_not_of(" \t\r");
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t\r") - start + 1);
}

}  // namespace

void each_line(std::string_view text, const std::function<void(const AwsLine&)>& visit) {
  AwsLine line;
  bool after_value = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    line.whole = text.substr(0, end);
    text.remove_prefix(end);
    std::string_view body = line.whole;
    if (body.back() == '\n') body.remove_suffix(1);
    const std::string_view trimmed = trim(body);
    line.heading = false;
    line.continued = false;
    if (trimmed.empty() || trimmed.front() == '#' || trimmed.front() == ';') {
      line.name.clear();
      line.value = {};
    } else if (after_value && (body.front() == ' ' || body.front() == '\t')) {
      line.continued = true;
      line.value = trimmed;
    } else if (trimmed.front() == '[' && trimmed.find(']') != std::string_view::npos) {
      line.heading = true;
      line.profile = trim(trimmed.substr(1, trimmed.find(']') - 1));
      line.name.clear();
      after_value = false;
    } else {
      const std::size_t mark = std::min(trimmed.find_first_of("=:"), trimmed.size());
      line.name = std::string(trim(trimmed.substr(0, mark)));
      std::transform(line.name.begin(), line.name.end(), line.name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      line.value = mark < trimmed.size() ? trim(trimmed.substr(mark + 1)) : std::string_view{};
      after_value = true;
    }
    visit(line);
  }
}

std::string aws_path(const char* variable, const char* name) {
  if (const char* path = std::getenv(variable); path && *path) return path;
  const char* home = std::getenv("HOME");
  if (home && *home) return std::string(home) + "/.aws/" + name;
  if (const passwd* user = getpwuid(geteuid())) return std::string(user->pw_dir) + "/.aws/" + name;
  throw Failure(Exit::failed, "there is no home folder to look in",
                "name the file: " + std::string(variable) + "=…");
}

}  // namespace holdfast::cli
