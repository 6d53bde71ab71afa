#include "tests/unit/policy_naive.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace holdfast::naive {

const std::vector<Host> hosts{{"a.example.com", Host::name},
                              {"A.example.com", Host::name},
                              {"b.a.example.com:8443", Host::name},
                              {"face.cafe", Host::name},
                              {"10.1.2.3", Host::v4, 0, 0x0A010203},
                              {"10.1.2.3:8443", Host::v4, 0, 0x0A010203},
                              {"[::ffff:10.1.2.3]", Host::v4, 0, 0x0A010203},
                              {"[::FFFF:a01:203]:9", Host::v4, 0, 0x0A010203},
                              {"192.168.0.1", Host::v4, 0, 0xC0A80001},
                              {"255.255.255.255", Host::v4, 0, 0xFFFFFFFF},
                              {"010.1.2.3", Host::odd},
                              {"10.1.515", Host::odd},
                              {"0x0a.1.2.3", Host::odd},
                              {"167838211", Host::odd},
                              {"10.1.2.3.", Host::odd},
                              {"a.0x7", Host::odd},
                              {"10.1.2.300", Host::odd},
                              {"fd00::1", Host::odd},
                              {"[10.1.2.3]", Host::odd},
                              {"[fd00::1", Host::odd},
                              {"[fe80::1%25eth0]", Host::odd},
                              {"[fd00::1]", Host::v6, 0xFD00'0000'0000'0000, 1},
                              {"[FD00:0:0:0::1]:443", Host::v6, 0xFD00'0000'0000'0000, 1},
                              {"[::1]", Host::v6, 0, 1},
                              {"[::10.1.2.3]", Host::v6, 0, 0x0A010203}};

const std::vector<Network> networks{{"10.0.0.0/8", true, 0, 0x0A000000, 8},
                                    {"10.1.2.3/32", true, 0, 0x0A010203, 32},
                                    {"10.1.2.2/32", true, 0, 0x0A010202, 32},
                                    {"0.0.0.0/0", true, 0, 0, 0},
                                    {"192.168.0.0/31", true, 0, 0xC0A80000, 31},
                                    {"fd00::/8", false, 0xFD00'0000'0000'0000, 0, 8},
                                    {"::/0", false, 0, 0, 0},
                                    {"::/96", false, 0, 0, 96},
                                    {"::1/128", false, 0, 1, 128}};

namespace {

Truth invert(Truth truth) {
  return truth == yes ? no : truth == no ? yes : unknown;
}

bool starts_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string attribute_of(const Caller& caller, const std::string& name) {
  if (name == "user") return caller.user;
  if (name == "uid") return std::to_string(caller.uid);
  if (name == "gid") return std::to_string(caller.gid);
  if (name == "unit") return caller.unit;
  if (name == "user_unit") return caller.user_unit;
  if (name == "exe") return caller.exe;
  if (name == "container") return caller.container;
  if (name == "pod") return caller.pod;
  return name == "label" ? caller.label : caller.security_label;
}

// One step of a pattern: -1 is `*`, -2 is `**`, else a byte.
using Steps = std::vector<int>;

std::optional<Steps> steps_of(const std::string& pattern, const Caller* caller) {
  Steps steps;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '*') {
      const bool two = i + 1 < pattern.size() && pattern[i + 1] == '*';
      steps.push_back(two ? -2 : -1);
      i += two ? 1 : 0;
    } else if (caller != nullptr && (c == '{' || c == '}')) {
      if (pattern[i + 1] == c) {
        steps.push_back(c);
        ++i;
        continue;
      }
      const std::size_t end = pattern.find('}', i);
      const std::string value = attribute_of(*caller, pattern.substr(i + 1, end - i - 1));
      if (value.empty()) return std::nullopt;
      for (const char filled : value) steps.push_back(static_cast<unsigned char>(filled));
      i = end;
    } else {
      steps.push_back(static_cast<unsigned char>(c));
    }
  }
  return steps;
}

bool matches(const Steps& steps, std::size_t at, const std::string& text, std::size_t from,
             char separator) {
  if (at == steps.size()) return from == text.size();
  if (steps[at] >= 0)
    return from < text.size() && steps[at] == static_cast<unsigned char>(text[from]) &&
           matches(steps, at + 1, text, from + 1, separator);
  for (std::size_t end = from;; ++end) {
    if (matches(steps, at + 1, text, end, separator)) return true;
    if (end == text.size() || (steps[at] == -1 && text[end] == separator)) return false;
  }
}

char separator_of(const std::string& name) {
  static const std::set<std::string> slashes{"path",     "exe",     "header.x-amz-copy-source",
                                             "role",     "profile", "trust_anchor",
                                             "audience", "issuer"};
  return name == "host" ? '.' : slashes.contains(name) ? '/' : '\0';
}

Truth matches(std::string pattern, const std::string& name, std::string value,
              const Caller* caller) {
  auto steps = steps_of(pattern, caller);
  if (!steps) return unknown;
  if (name == "host") {
    value = lower(value);
    for (int& step : *steps) step = step < 0 ? step : std::tolower(step);
  }
  const char separator = separator_of(name);
  if (separator == '\0')
    for (int& step : *steps) step = step == -1 ? -2 : step;
  return matches(*steps, 0, value, 0, separator) ? yes : no;
}

Truth in_network(const Network& network, const std::string& value) {
  const auto host =
      std::find_if(hosts.begin(), hosts.end(), [&](const Host& one) { return one.text == value; });
  if (host == hosts.end() || host->kind == Host::name) return no;
  if (host->kind == Host::odd) return unknown;
  if ((host->kind == Host::v4) != network.is_v4) return no;
  const int width = network.is_v4 ? 32 : 128;
  for (int bit = 0; bit < network.bits; ++bit) {
    const int shift = width - 1 - bit;
    const bool one = shift >= 64 ? (host->high >> (shift - 64)) & 1 : (host->low >> shift) & 1;
    const bool other =
        shift >= 64 ? (network.high >> (shift - 64)) & 1 : (network.low >> shift) & 1;
    if (one != other) return no;
  }
  return yes;
}

Truth in_range(const Condition& wanted, const std::string& value) {
  const std::string digits = starts_with(value, "-") ? value.substr(1) : value;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos ||
      (digits.size() > 1 && digits[0] == '0') || digits.size() > 15 || value == "-0")
    return unknown;
  const std::int64_t number = std::stoll(value);
  return number >= wanted.min.value_or(INT64_MIN) && number <= wanted.max.value_or(INT64_MAX) ? yes
                                                                                              : no;
}

Truth holds(const Condition& wanted, const std::string& name, const std::string& value,
            const Caller& caller, bool places) {
  const Caller* fill = places ? &caller : nullptr;
  Truth positive = no;
  const bool open = wanted.is.empty() && wanted.cidr.empty() && !wanted.min && !wanted.max;
  if (open) positive = yes;
  for (const std::string& pattern : wanted.is)
    positive = std::max(positive, matches(pattern, name, value, fill));
  for (const std::size_t index : wanted.cidr)
    positive = std::max(positive, in_network(networks[index], value));
  if (wanted.min || wanted.max) positive = std::max(positive, in_range(wanted, value));
  Truth negative = no;
  for (const std::string& pattern : wanted.is_not)
    negative = std::max(negative, matches(pattern, name, value, fill));
  return std::min(positive, invert(negative));
}

bool contains(const Ids& ids, std::uint32_t id) {
  return std::any_of(ids.begin(), ids.end(),
                     [&](const auto& range) { return id >= range.first && id <= range.second; });
}

Truth caller_holds(const Grant& grant, const Caller& caller) {
  Truth all = yes;
  if (!grant.uids.empty() && !contains(grant.uids, caller.uid)) all = no;
  if (!grant.gids.empty()) {
    bool in = contains(grant.gids, caller.gid);
    for (const auto group : caller.groups) in = in || contains(grant.gids, group);
    if (!in) all = no;
  }
  for (const auto& [name, wanted] : grant.attributes) {
    const std::string value = attribute_of(caller, name);
    all = std::min(all, value.empty() ? unknown : holds(wanted, name, value, caller, false));
  }
  bool for_containers = false;
  for (const auto& [name, wanted] : grant.attributes)
    for_containers = for_containers || name == "container" || name == "pod";
  if (!grant.deny && caller.nested && !grant.nested && !for_containers) all = no;
  if (!grant.digests.empty()) {
    bool is_one = false;
    for (const std::string& digest : grant.digests) is_one = is_one || digest == caller.exe_sha256;
    all = std::min(all, caller.exe_sha256.empty() ? unknown : is_one ? yes : no);
  }
  for (const auto& [name, text] : grant.set)
    if (!steps_of(text, &caller)) all = std::min(all, unknown);
  return all;
}

bool window_holds(const Window& window, std::int64_t now) {
  if (window.after && now < *window.after) return false;
  if (window.before && now >= *window.before) return false;
  const auto day_is_on = [&](std::int64_t day) {
    return window.days.empty() || std::find(window.days.begin(), window.days.end(),
                                            static_cast<int>(day)) != window.days.end();
  };
  const std::int64_t today = (now / 86400 + 3) % 7;  // 1970-01-01 was a Thursday
  const std::int64_t minute = now % 86400 / 60;
  if (window.from < window.to)
    return day_is_on(today) && window.from <= minute && minute < window.to;
  return (minute >= window.from && day_is_on(today)) ||
         (minute < window.to && day_is_on((today + 6) % 7));
}

bool is_wildcard(const std::string& name) {
  return name.size() > 2 && name.substr(name.size() - 2) == ".*";
}

const FactRule* rule_for(const Grant& grant, const std::string& name) {
  for (const FactRule& rule : grant.facts)
    if (rule.name == name) return &rule;
  for (const FactRule& rule : grant.facts)
    if (is_wildcard(rule.name) && starts_with(name, rule.name.substr(0, rule.name.size() - 1)))
      return &rule;
  return nullptr;
}

bool is_wild_region(const std::string& name, const std::string& value) {
  return name == "region" && value.find('*') != std::string::npos;
}

bool closed(const std::string& name, const std::string& value) {
  return (name == "action" && value == "unknown") || is_wild_region(name, value) ||
         (name == "mode" && value == "post") || starts_with(name, "starts_with.") ||
         name == "typ" || name == "signing_options" || name == "encoded_path" ||
         name == "header.x-amz-copy-source" || starts_with(name, "claim.");
}

bool has(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

std::string without_port(const std::string& host) {
  const std::size_t colon = host.rfind(':');
  const bool has_port =
      colon != std::string::npos &&
      (host[0] == '[' ? colon > 0 && host[colon - 1] == ']' : host.find(':') == colon);
  return has_port ? host.substr(0, colon) : host;
}

// What closes is for all ports.
Truth host_holds(const Condition& wanted, const std::string& value, const Caller& caller,
                 bool deny) {
  Condition names = wanted, left_out;
  names.is_not.clear();
  left_out.is = wanted.is_not;
  const auto of = [&](const Condition& part, const std::string& host) {
    return holds(part, "host", host, caller, true);
  };
  const std::string bare = without_port(value);
  Truth positive = of(names, value), negative = no;
  if (!wanted.is_not.empty()) negative = of(left_out, value);
  if (deny)
    positive = std::max(positive, of(names, bare));
  else if (!wanted.is_not.empty())
    negative = std::max(negative, of(left_out, bare));
  return std::min(positive, invert(negative));
}

Truth fact_holds(const FactRule& rule, const std::string& name, const std::string& value,
                 const Caller& caller, bool deny) {
  if (rule.kind == FactRule::forbidden) return no;
  if (rule.kind == FactRule::permitted) return yes;
  if (name == "action" && value == "unknown" && !has(rule.wanted.is, "unknown"))
    return has(rule.wanted.is_not, "unknown") ? no : unknown;
  if (is_wild_region(name, value)) {
    for (const std::string& pattern : rule.wanted.is_not)
      if (matches(pattern, name, value, &caller) == yes) return no;
    if (!rule.wanted.is_not.empty()) return unknown;
    for (const std::string& pattern : rule.wanted.is)
      if (matches(pattern, name, value, &caller) == yes) return yes;
    return unknown;
  }
  if (name == "host") return host_holds(rule.wanted, value, caller, deny);
  return holds(rule.wanted, name, value, caller, true);
}

std::string forced_text(const std::string& name, const std::string& text, const Caller& caller) {
  const auto steps = steps_of(text, &caller);
  std::string filled;
  for (const int step : *steps) filled += static_cast<char>(step);
  const bool number = filled.find_first_not_of("0123456789") == std::string::npos;
  return starts_with(name, "claim.") && number ? "\"" + filled + "\"" : filled;
}

bool alike(const std::string& one, const std::string& other) {
  return starts_with(one, "claim.") && starts_with(other, "claim.") && lower(one) == lower(other);
}

// Does a form leave a header or field that the rule speaks of to whoever uploads?
bool left_to_the_uploader(const std::string& name, const Question& question) {
  for (const std::string prefix : {"header.", "field."}) {
    if (!starts_with(name, prefix)) continue;
    for (const auto& [of, value] : question.facts) {
      if (!starts_with(of, "starts_with.")) continue;
      if (is_wildcard(name) || of == "starts_with." + name.substr(prefix.size())) return true;
    }
  }
  return false;
}

bool allow_takes(const Grant& grant, const Question& question) {
  const Caller& caller = question.caller;
  if (caller_holds(grant, caller) != yes) return false;
  if (grant.when && !window_holds(*grant.when, question.now)) return false;
  if (grant.max_skew && question.skew > *grant.max_skew) return false;
  if (question.ttl && *question.ttl > *grant.ttl) return false;
  for (const FactRule& rule : grant.facts) {
    bool there = false;
    if (rule.name == "ttl") {
      if (!question.ttl ||
          holds(rule.wanted, "ttl", std::to_string(*question.ttl), caller, true) != yes)
        return false;
      continue;
    }
    for (const auto& [name, value] : question.facts) there = there || name == rule.name;
    const bool may_be_missing = is_wildcard(rule.name) || rule.kind != FactRule::condition ||
                                (rule.name == "action" && has(rule.wanted.is, "unknown"));
    if (!there && !may_be_missing) return false;
    if (rule.kind == FactRule::forbidden && left_to_the_uploader(rule.name, question)) return false;
  }
  for (const auto& [name, value] : question.facts) {
    const FactRule* rule = rule_for(grant, name);
    bool forced = false;
    for (const auto& [of, text] : grant.set) {
      if (of == name) {
        forced = true;
        if (forced_text(of, text, caller) != value) return false;
      } else if (rule != nullptr && alike(of, name)) {
        return false;
      }
    }
    if (rule != nullptr && is_wildcard(rule->name))
      for (const FactRule& other : grant.facts)
        if (other.name != name && !is_wildcard(other.name) && alike(other.name, name)) return false;
    if (rule == nullptr && closed(name, value) && !forced) return false;
    if (rule != nullptr && fact_holds(*rule, name, value, caller, false) != yes) return false;
  }
  return true;
}

// aws: sigv4 or session, by what is asked it can't be said.
enum class Kind { sigv4, session, aws, token, digest, none };

Kind kind_of(const Question& question) {
  Kind kind = question.ttl ? Kind::token : Kind::none;
  for (const auto& [name, value] : question.facts) {
    if (name == "algorithm") {
      if (kind == Kind::none) kind = Kind::digest;
    } else {
      static const std::set<std::string> token{"audience", "issuer", "subject", "typ"};
      static const std::set<std::string> session{"role", "profile", "trust_anchor", "session_name",
                                                 "duration"};
      static const std::set<std::string> shared{"service", "region", "host", "action"};
      if (token.contains(name) || starts_with(name, "claim."))
        kind = Kind::token;
      else if (session.contains(name))
        kind = Kind::session;
      else if (!shared.contains(name))
        kind = Kind::sigv4;
      else if (kind == Kind::none)
        kind = Kind::aws;
    }
  }
  return kind;
}

// Is it sure that a request has no such fact, if its facts don't show it?
bool surely_absent(const std::string& name, const Question& question) {
  for (const char* prefix : {"query.", "header.", "field.", "starts_with.", "claim."})
    if (starts_with(name, prefix)) return true;
  static const std::set<std::string> optional{"action",       "issuer",      "subject",
                                              "typ",          "expires_in",  "signing_options",
                                              "encoded_path", "session_name"};
  if (optional.contains(name)) return true;
  const Kind kind = kind_of(question);
  if (kind == Kind::none) return false;
  const bool of_aws = kind == Kind::sigv4 || kind == Kind::session || kind == Kind::aws;
  if (name == "algorithm") return of_aws;
  if (name == "audience" || name == "ttl") return kind != Kind::token;
  if (!of_aws) return true;
  if (name == "service" || name == "region" || name == "host") return false;
  if (name == "role" || name == "profile" || name == "trust_anchor" || name == "duration")
    return kind == Kind::sigv4;
  if (kind == Kind::session) return true;
  bool post = false, exact = false;
  for (const auto& [of, value] : question.facts) {
    post = post || (of == "mode" && value == "post");
    exact = exact || of == "path";
  }
  if (name == "path_prefix") return !post || exact;
  if (name == "content_length_max") return !post;
  for (const auto& [of, value] : question.facts)
    if (name == "bucket" && of == "service") return !starts_with(value, "s3");
  return false;
}

bool deny_takes(const Grant& grant, const Grant& allowing, const Question& question) {
  const Caller& caller = question.caller;
  if (caller_holds(grant, caller) == no) return false;
  if (grant.when && !window_holds(*grant.when, question.now)) return false;
  auto said = question.facts;
  if (question.ttl) said.emplace_back("ttl", std::to_string(*question.ttl));
  for (const auto& [name, text] : allowing.set)
    said.emplace_back(name, forced_text(name, text, caller));
  for (const FactRule& rule : grant.facts) {
    bool there = false;
    Truth found = no;
    for (const auto& [name, value] : said) {
      const bool meant = is_wildcard(rule.name) ? rule_for(grant, name) == &rule
                                                : name == rule.name || alike(name, rule.name);
      if (!meant) continue;
      there = true;
      found = std::max(found, fact_holds(rule, name, value, caller, true));
    }
    if (rule.kind == FactRule::forbidden)
      found = there ? no : yes;
    else if (!there)
      found = !left_to_the_uploader(rule.name, question) &&
                      (is_wildcard(rule.name) || surely_absent(rule.name, question))
                  ? no
                  : unknown;
    if (found == no) return false;
  }
  return true;
}

Truth key_holds(const Grant& grant, const Question& question) {
  Truth found = no;
  for (const std::string& key : grant.keys)
    found = std::max(found, matches(key, "key", question.key, &question.caller));
  return found;
}

}  // namespace

Answer decide(const std::vector<Grant>& grants, const Question& question) {
  for (std::size_t i = 0; i < grants.size(); ++i) {
    if (grants[i].deny || key_holds(grants[i], question) != yes ||
        !allow_takes(grants[i], question))
      continue;
    for (std::size_t k = 0; k < grants.size(); ++k)
      if (grants[k].deny && key_holds(grants[k], question) != no &&
          deny_takes(grants[k], grants[i], question))
        return {Answer::deny, k};
    return {Answer::allow, i};
  }
  return {};
}

}  // namespace holdfast::naive
