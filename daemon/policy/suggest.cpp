#include "daemon/policy/suggest.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <vector>

#include "daemon/base/caller.h"
#include "daemon/base/error.h"
#include "daemon/base/facts.h"
#include "daemon/config/table.h"
#include "daemon/policy/accounts.h"
#include "daemon/policy/grant.h"
#include "daemon/policy/past.h"
#include "daemon/policy/quote.h"

namespace holdfast::policy {
namespace {

constexpr std::size_t kMaxText = 1 << 16;
constexpr std::string_view kWider =
    "  # wider than the request: '*' has no escape, and long or empty values no literal\n";

PastRequest read_refused(const json::object& request) {
  Fields fields(request);
  const std::string id = quote(fields.text("request_id", kMaxText));
  const std::string decision = fields.text("decision", kMaxText);
  const std::string code = fields.optional_text("code", kMaxText).value_or("");
  if (decision != "deny" || code != "not_permitted")
    throw Error(ErrorKind::conflict,
                "request " + id + " did not lack a grant (decision " + quote(decision) + ", code " +
                    quote(code) + ")" +
                    (code == "limit_exceeded" ? ": raise the limits of its grant" : ""));
  PastRequest refused = read_past_request(request);
  if (!refused.grant.empty())
    throw Error(ErrorKind::conflict,
                "request " + id + " was denied by the grant " + quote(refused.grant) +
                    ", which wins over every one that allows: narrow that one");
  return refused;
}

// A pattern that matches `value`: itself, where that can be written.
struct Literal {
  std::string pattern;
  bool wider = false;
};

Literal literal(std::string_view value, bool may_be_empty) {
  // Escaped, it has to fit into a line of the file.
  constexpr std::size_t kMaxQuoted = config::kMaxLineBytes / 2;
  if (value.empty() && !may_be_empty) return {"**", true};
  Literal made;
  for (const char c : value) {
    if (c == '*' && made.pattern.ends_with("**")) continue;
    made.pattern.append(c == '{' || c == '}' ? 2 : 1, c);
  }
  made.wider = value.find('*') != std::string_view::npos;
  if (made.pattern.size() <= kMaxPatternBytes && quote(made.pattern).size() <= kMaxQuoted)
    return made;

  // As many whole characters as fit, then the stars for what went.
  made.wider = true;
  std::size_t kept = 0, quoted = 0;
  for (;;) {  // ends: the whole does not fit
    const bool brace = made.pattern[kept] == '{' || made.pattern[kept] == '}';
    std::size_t end = kept + (brace ? 2 : 1);
    while ((static_cast<unsigned char>(made.pattern[end]) & 0xC0) == 0x80)
      ++end;  // RFC 3629 §3: a byte that continues a character
    quoted += quote(std::string_view(made.pattern).substr(kept, end - kept)).size();
    if (end + 2 > kMaxPatternBytes || quoted > kMaxQuoted) break;
    kept = end;
  }
  made.pattern.resize(kept);
  while (made.pattern.ends_with('*')) made.pattern.pop_back();
  made.pattern.append("**");
  return made;
}

// Units whose name is the same at the next start, and that no user chooses.
bool is_lasting_unit(std::string_view unit) {
  return unit.ends_with(".service") && !unit.starts_with("user@") && unit.size() <= 255 &&
         unit.find('*') == std::string_view::npos;
}

std::string caller_table(const Caller& caller) {
  // The name may be of another machine's database: the grant has to load on this one.
  const auto account = account_of(caller.uid);
  const std::string user = account && account->user == caller.user
                               ? "user = " + quote(caller.user)
                               : "uid = " + std::to_string(caller.uid);
  std::string text = "{ ";
  if (is_lasting_unit(caller.unit)) text += "unit = " + quote(caller.unit) + ", ";
  text += user;
  if (config::is_name(caller.label)) text += ", label = " + quote(caller.label);
  return text + (caller.nested ? ", nested = true }" : " }");
}

std::string grant_name(const PastRequest& refused) {
  const Caller& caller = refused.caller;
  std::string name = refused.key + "-";
  if (is_lasting_unit(caller.unit))
    name += caller.unit.substr(0, caller.unit.size() - 8);
  else if (!caller.user.empty())
    name += caller.user;
  else
    name += "uid-" + std::to_string(caller.uid);
  name.resize(std::min<std::size_t>(name.size(), 63));
  for (char& c : name)
    if (!config::is_name(std::string("a") + c)) c = '-';
  return name;
}

bool is_bound(const Fact& fact) {
  const auto kind = fact_kind(fact.name);
  if (!kind || fact.name == "ttl") return false;  // of which requests have a field
  if (fact.name == "payload") return fact.value != "signed";
  return kind->closed || fact.name.find('.') == std::string::npos;
}

void append_comment(std::string& text, std::string_view comment) {
  constexpr std::size_t kWidth = 1000;
  for (std::size_t at = 0; at < comment.size(); at += kWidth)
    text.append(at == 0 ? "# " : "#   ").append(comment.substr(at, kWidth)).append("\n");
}

// The name under which the grant binds a fact. A claim called "*", or by a name that fits no line
// of the file, can only be allowed with all claims.
std::string rule_name(const Fact& fact) {
  return fact.name.ends_with(".*") || quote(fact.name).size() > 512 ? "claim.*" : fact.name;
}

std::string pattern_rule(const std::string& name, const std::vector<std::string>& values) {
  const bool dotted = name.find('.') != std::string::npos;
  bool wider = name == "claim.*";
  std::vector<std::string> patterns;
  for (const std::string& value : values) {
    Literal made = wider ? Literal{"**", true} : literal(value, dotted);
    if (!fault_in_value(name, made.pattern).empty()) made = {"**", true};
    wider = wider || made.wider;
    if (std::ranges::find(patterns, made.pattern) == patterns.end())
      patterns.push_back(std::move(made.pattern));
  }
  std::string text = (dotted ? quote(name) : name) + " = ";
  if (patterns.size() == 1) {
    text += quote(patterns.front());
  } else {
    text += "[\n";
    for (const std::string& pattern : patterns) text += "  " + quote(pattern) + ",\n";
    text += "]";
  }
  if (wider) return text.append(kWider);
  const std::string& first = patterns.front();
  if (fact_kind(name)->pattern == PatternKind::path && !dotted && first.size() > 1)
    text +=
        "  # all below it: " + name + " = " + quote(first.substr(0, first.rfind('/') + 1) + "**");
  return text + "\n";
}

std::string maximum_rule(const std::string& name, const std::vector<std::string>& values) {
  std::int64_t maximum = 1;
  for (const std::string& text : values) {
    std::int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    maximum = std::max(maximum, value);
  }
  return name + " = " + std::to_string(maximum) + "\n";
}

void append_facts(std::string& text, const Facts& facts) {
  constexpr std::size_t kShownFree = 1000;
  std::map<std::string, std::vector<std::string>> bound;
  std::string free;
  for (const Fact& fact : facts.all()) {
    if (is_bound(fact))
      bound[rule_name(fact)].push_back(fact.value);
    else if (fact_kind(fact.name) && free.size() < kShownFree)
      free += " " + quote(fact.name);
  }
  text += "\n[grant.facts]\n";
  for (const auto& [name, values] : bound) {
    const FactForm form = fact_kind(name)->form;
    text += form == FactForm::patterns ? pattern_rule(name, values)
            : form == FactForm::number ? maximum_rule(name, values)
                                       : name + " = true\n";
  }
  if (!free.empty()) append_comment(text, "Any value, as long as they are not named here:" + free);
}

std::string duration(std::int64_t seconds) {
  constexpr std::int64_t kNineDigits = 999'999'999;  // as many as a duration takes
  return seconds <= kNineDigits ? std::to_string(seconds) + "s"
                                : std::to_string(seconds / 86400 + 1) + "d";
}

}  // namespace

std::string suggest(const json::object& request) {
  const PastRequest refused = read_refused(request);
  std::string text;
  append_comment(text, "Request " + quote(refused.id) + " of " + quote(refused.time) + ", " +
                           quote(refused.operation) + ", was refused: " + quote(refused.reason));
  append_comment(
      text,
      "This allows that very request. Read what it allows, put it into a file of policy.d "
      "(or holdfast.toml), then run: holdfast reload");
  text += "[[grant]]\nname = " + quote(grant_name(refused)) + "  # any that is free\n";
  text += "key = " + quote(refused.key) + "\n";
  text += "caller = " + caller_table(refused.caller) + "\n";
  append_facts(text, refused.facts);
  const bool skewed =
      refused.skew > std::chrono::floor<std::chrono::seconds>(kDefaultMaxSkew).count();
  if (skewed || refused.ttl) text += "\n[grant.limits]\n";
  if (skewed) text += "max_skew = " + quote(duration(refused.skew)) + "\n";
  if (refused.ttl)
    text += "ttl = " + quote(duration(std::max<std::int64_t>(*refused.ttl, 1))) + "\n";
  return text;
}

}  // namespace holdfast::policy
