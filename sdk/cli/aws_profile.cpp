#include "sdk/cli/aws_profile.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "sdk/cli/aws_file.h"
#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

constexpr std::array<std::string_view, 6> kOutranking{
    "aws_access_key_id",       "role_arn",    "source_profile",
    "web_identity_token_file", "sso_session", "sso_account_id"};

bool is_plain(unsigned char c) {
  return std::isalnum(c) ||
         std::string_view("_@%+=:,./-").find(static_cast<char>(c)) != std::string_view::npos;
}

std::string quote(const std::string& word) {
  for (const unsigned char c : word)
    if (c < ' ' || c == 0x7F || c == '#' || c == ';')
      throw Failure(Exit::usage, "a configuration file can't hold this: " + word,
                    "choose another name, without # and ; and control characters");
  if (!word.empty() && std::all_of(word.begin(), word.end(), is_plain)) return word;
  std::string out = "'";
  for (const char c : word) {
    if (c == '\'') out += "'\"'\"";  // out of the quotes, a quoted quote, and in again
    out.push_back(c);
  }
  return out + "'";
}

// "profile NAME", where NAME may be quoted; [default] is spelt without "profile".
bool names(std::string_view heading, const std::string& profile) {
  if (heading == "default") return profile == "default";
  if (!heading.starts_with("profile")) return false;
  heading.remove_prefix(7);
  const auto start = heading.find_first_not_of(" \t");
  if (start == std::string_view::npos || start == 0) return false;
  heading.remove_prefix(start);
  for (const char mark : {'"', '\''})
    if (heading.size() >= 2 && heading.front() == mark && heading.back() == mark)
      return heading.substr(1, heading.size() - 2) == profile;
  return heading == profile;
}

std::string lines_of(const Settings& settings) {
  std::string out;
  for (const auto& [name, value] : settings) out += name + " = " + value + "\n";
  return out;
}

}  // namespace

std::string quote_command(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += ' ';
    out += quote(word);
  }
  return out;
}

std::vector<std::string> split_command(std::string_view line) {
  std::vector<std::string> words;
  char quote = 0;
  bool inside = false;  // of a word
  for (const char c : line) {
    if (quote == 0 && (c == ' ' || c == '\t')) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    inside = true;
    if (quote == 0 && (c == '\'' || c == '"'))
      quote = c;
    else if (c == quote)
      quote = 0;
    else
      words.back() += c;
  }
  if (quote != 0)
    throw Failure(Exit::failed, "a quote has no end in: " + std::string(line), "mend the line");
  return words;
}

std::string profile_section(const std::string& name, const Settings& settings) {
  if (name.empty() || name.size() > 64 ||
      !std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) ||
               std::string_view("_.@+/-").find(static_cast<char>(c)) != std::string_view::npos;
      }))
    throw Failure(Exit::usage, "--profile: no name for a profile: " + name,
                  "1 to 64 of A-Z a-z 0-9 _ . @ + / -");
  return (name == "default" ? "[default]\n" : "[profile " + name + "]\n") + lines_of(settings);
}

bool has_profile(std::string_view text, const std::string& name) {
  bool found = false;
  each_line(text, [&](const AwsLine& line) {
    found = found || (line.heading && names(line.profile, name));
  });
  return found;
}

std::string with_profile(std::string_view text, const std::string& name, const Settings& settings) {
  std::string out;
  bool written = false, dropping = false;
  each_line(text, [&](const AwsLine& line) {
    if (line.continued && dropping) return;
    const bool ours = names(line.profile, name);
    dropping = ours && !line.heading &&
               std::any_of(settings.begin(), settings.end(),
                           [&](const auto& setting) { return setting.first == line.name; });
    if (dropping) return;
    out += line.whole;
    if (!line.heading || !ours || written) return;
    if (out.back() != '\n') out += '\n';
    out += lines_of(settings);
    written = true;
  });
  if (written) return out;
  if (!out.empty()) out += out.back() == '\n' ? "\n" : "\n\n";
  return out + profile_section(name, settings);
}

std::optional<std::string> credential_process_of(std::string_view text, const std::string& name) {
  std::optional<std::string> found;
  each_line(text, [&](const AwsLine& line) {
    if (names(line.profile, name) && line.name == "credential_process") found = line.value;
  });
  return found;
}

std::vector<std::string> outranking(std::string_view text, const std::string& name) {
  std::vector<std::string> out;
  each_line(text, [&](const AwsLine& line) {
    if (names(line.profile, name) && !line.heading && !line.continued &&
        std::find(kOutranking.begin(), kOutranking.end(), line.name) != kOutranking.end())
      out.push_back(line.name);
  });
  return out;
}

}  // namespace holdfast::cli
