// Random policies, callers and intents: what policy decides is what the rules say, read naively. A
// million decisions; HOLDFAST_SEED repeats a run, HOLDFAST_DECISIONS makes it longer.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <algorithm>

#include <cstdlib>
#include <random>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/policy/policy.h"
#include "tests/unit/policy_naive.h"

namespace holdfast::policy {
namespace {

using Texts = std::vector<std::string>;

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  std::vector<naive::Grant> grants() {
    std::vector<naive::Grant> all(1 + pick(8));
    for (naive::Grant& grant : all) grant = one_grant();
    return all;
  }

  naive::Question question() {
    naive::Question question;
    question.caller = caller();
    question.key = choose({"k1", "k2", "u1-k", "k1001", "a.service"});
    question.skew = choose<std::int64_t>({0, 0, 0, 60, 61, 300, 301, 9999});
    // About 2026-01-05, a Monday, 00:00 UTC.
    question.now = 1767571200 + pick(20 * 24) * 1800 - 10 * 86400 + pick(3) - 1;
    switch (pick(9)) {
      case 0:
        question.facts = {{"algorithm", "ES256"}};
        break;
      case 1:
      case 2:
      case 3:
        token(question);
        break;
      case 4:
        session(question);
        break;
      default:
        sigv4(question);
    }
    // A question asked by hand may leave out what every request has.
    if (one_in(6)) std::erase_if(question.facts, [&](const auto&) { return one_in(2); });
    return question;
  }

 private:
  std::size_t pick(std::size_t count) { return random_() % count; }
  bool one_in(std::size_t count) { return pick(count) == 0; }
  template <class T>
  T choose(const std::vector<T>& list) {
    return list[pick(list.size())];
  }
  std::string choose(const Texts& list) { return list[pick(list.size())]; }
  std::string choose(std::initializer_list<const char*> list) {
    return *(list.begin() + pick(list.size()));
  }
  Texts some(const Texts& list) {
    Texts chosen{choose(list)};
    while (one_in(3)) chosen.push_back(choose(list));
    return chosen;
  }

  Caller caller() {
    Caller caller;
    caller.uid = static_cast<uid_t>(1001 + pick(4));
    caller.gid = static_cast<gid_t>(10 + pick(3));
    if (one_in(2)) caller.groups = {static_cast<gid_t>(10 + pick(5)), 20};
    caller.user = choose({"u1", "u2", ""});
    caller.unit =
        one_in(20) ? std::string(1020, 'u') : choose({"a.service", "b.service", "b*.service", ""});
    caller.user_unit = choose({"x.service", ""});
    caller.exe = choose({"/usr/bin/a", "/usr/b", ""});
    caller.label = choose({"l-one", "l-two", ""});
    caller.container = choose({"c1", ""});
    caller.pod = choose({"p1", "", ""});
    caller.security_label = choose({"s:one", "s:two", ""});
    caller.exe_sha256 = choose({std::string(64, 'a'), std::string(64, 'b'), ""});
    caller.nested = one_in(4);
    return caller;
  }

  void token(naive::Question& question) {
    auto& facts = question.facts;
    for (std::size_t i = 1 + pick(2); i > 0; --i) facts.emplace_back("audience", choose(audiences));
    if (one_in(2)) facts.emplace_back("issuer", choose(audiences));
    if (one_in(2)) facts.emplace_back("subject", choose({"a.service", "u1", "s"}));
    if (one_in(4)) facts.emplace_back("typ", choose({"at+jwt", "JWT"}));
    facts.emplace_back("algorithm", choose({"ES256", "PS256"}));
    while (one_in(2))
      facts.emplace_back("claim." + choose({"role", "Role", "x", "level"}), choose(numbers));
    question.ttl = choose<std::int64_t>({1, 60, 300, 3600, 3601, 7200});
  }

  void sigv4(naive::Question& question) {
    auto& facts = question.facts;
    const std::string service = choose({"s3", "s3", "s3express", "ec2"});
    facts = {{"service", service},
             {"region", choose({"eu-west-1", "us-east-1", "eu-*", "*"})},
             {"method", choose({"GET", "PUT", "DELETE"})},
             {"host", naive::hosts[pick(naive::hosts.size())].text},
             {"path", choose({"/", "/a", "/a/b", "/u1/x", "/A/b", "/a/{b}", "/b*.service/x"})},
             {"payload", choose({"signed", "unsigned"})}};
    if (one_in(4)) facts.emplace_back("region", choose({"us-east-1", "us-*", "*"}));
    if (service != "ec2" && !one_in(3)) facts.emplace_back("bucket", choose({"own", "other"}));
    const bool presigned = one_in(3);
    facts.emplace_back("mode", presigned ? "query" : "header");
    if (presigned) facts.emplace_back("expires_in", choose({"1", "60", "900", "901", "09", "x"}));
    if (!presigned && one_in(4)) form(facts);
    while (one_in(3)) facts.emplace_back("query." + choose({"acl", "n", ""}), choose(numbers));
    while (one_in(3))
      facts.emplace_back("header." + choose({"x-amz-acl", "range"}), choose(numbers));
    if (one_in(6)) facts.emplace_back("header.x-amz-copy-source", choose({"/own/a", "/other/a/b"}));
    if (service == "ec2" && one_in(2))
      facts.emplace_back("action", choose({"Run", "Stop", "unknown"}));
    if (one_in(8)) facts.emplace_back("signing_options", "true");
    if (one_in(8)) facts.emplace_back("encoded_path", "true");
  }

  // What a header signature of S3 has, made that of a form.
  void form(std::vector<std::pair<std::string, std::string>>& facts) {
    for (auto& [name, value] : facts) {
      if (name == "mode") value = "post";
      if (name == "path" && one_in(2)) name = "path_prefix";
    }
    if (one_in(2)) facts.emplace_back("content_length_max", choose({"0", "300", "900", "5000"}));
    while (one_in(3))
      facts.emplace_back("field." + choose({"tagging", "redirect"}), choose(numbers));
    while (one_in(2))
      facts.emplace_back("starts_with." + choose({"x-amz-acl", "range", "tagging"}),
                         choose(numbers));
  }

  void session(naive::Question& question) {
    auto& facts = question.facts;
    facts = {{"service", "rolesanywhere"},
             {"action", "CreateSession"},
             {"region", choose({"eu-west-1", "us-east-1"})},
             {"host", naive::hosts[pick(naive::hosts.size())].text},
             {"role", choose({"role/a", "role/u1/a", "role/b"})},
             {"profile", choose({"profile/1", "profile/2"})},
             {"trust_anchor", choose({"anchor/1", "anchor/2"})}};
    if (one_in(2)) facts.emplace_back("session_name", choose({"u1", "a.service", "s"}));
    facts.emplace_back("duration", choose({"900", "3600", "43200"}));
  }

  naive::Condition condition(const std::string& name, const Texts& patterns) {
    naive::Condition wanted;
    const bool dotted = name.find('.') != std::string::npos;
    if (dotted && one_in(4)) {
      if (!one_in(3)) wanted.min = choose<std::int64_t>({-5, 0, 7, 42});
      if (!wanted.min || one_in(2)) wanted.max = choose<std::int64_t>({42, 43, 1000});
      return wanted;
    }
    if (name == "host" && one_in(2)) wanted.cidr = {pick(naive::networks.size())};
    if (name == "host" && one_in(5)) wanted.cidr.push_back(pick(naive::networks.size()));
    if (wanted.cidr.empty() || one_in(4)) {
      if (!one_in(5)) wanted.is = some(patterns);
    }
    if (wanted.is.empty() ? wanted.cidr.empty() : one_in(6)) wanted.is_not = some(patterns);
    return wanted;
  }

  naive::FactRule fact(const std::string& name) {
    naive::FactRule rule;
    rule.name = name;
    const bool dotted = name.find('.') != std::string::npos;
    if (name == "signing_options" || name == "encoded_path") {
      rule.kind = one_in(3) ? naive::FactRule::forbidden : naive::FactRule::permitted;
    } else if (name == "expires_in" || name == "content_length_max" || name == "ttl" ||
               name == "duration") {
      if (!one_in(3)) rule.wanted.min = choose<std::int64_t>({0, 60, 300});
      if (!rule.wanted.min || one_in(2)) rule.wanted.max = choose<std::int64_t>({300, 900, 3600});
    } else if (dotted && one_in(4)) {
      rule.kind = naive::FactRule::forbidden;
    } else {
      rule.wanted = condition(name, patterns_of(name));
    }
    return rule;
  }

  Texts patterns_of(const std::string& name) {
    if (name == "path" || name == "path_prefix")
      return {"/a", "/a/*", "/a/**", "/**", "/{user}/*", "/{unit}/x", "/a/{{b}}", "*", "/A/b"};
    if (name == "host")
      return {"*.example.com", "A.EXAMPLE.com",   "**",     "10.*",
              "10.1.2.3",      "b.A.example.com", "**:8443"};
    if (name == "audience" || name == "issuer")
      return {"https://a", "https://*", "**", "https://{user}/*", "https://a/b"};
    if (name == "header.x-amz-copy-source") return {"/own/*", "/**", "/other/**"};
    if (name == "service") return {"s3", "ec2", "s3*"};
    if (name == "region") return {"eu-*", "us-east-1", "*"};
    if (name == "method") return {"GET", "PUT", "*"};
    if (name == "bucket") return {"own", "o*", "{user}"};
    if (name == "action") return {"Run", "*", "unknown", "unk*"};
    if (name == "payload") return {"signed", "*"};
    if (name == "mode") return {"header", "query", "post", "**"};
    if (name == "algorithm") return {"ES256", "*256"};
    if (name == "role") return {"role/a", "role/*", "role/**", "role/{user}/*"};
    if (name == "profile" || name == "trust_anchor") return {"*/1", "**", "profile/2"};
    if (name == "session_name") return {"{unit}", "{user}", "*"};
    if (name == "subject") return {"{unit}", "u1", "{user}*", "**"};
    if (name == "typ") return {"at+jwt", "**"};
    return {"r", "42", "**", "4*", "\"42\"", "{uid}", "{user}"};
  }

  static bool names_exe(const naive::Grant& grant) {
    return std::ranges::any_of(grant.attributes,
                               [](const auto& one) { return one.first == "exe"; });
  }

  naive::Grant one_grant() {
    naive::Grant grant;
    grant.deny = one_in(3);
    grant.keys = one_in(3) ? Texts{choose({"*", "**", "k*", "{user}-k", "k{uid}", "{unit}"})}
                           : some({"k1", "k2", "u1-k", "{user}-k"});
    if (!grant.deny || one_in(2)) ids(grant);
    if (one_in(4))
      grant.attributes.emplace_back("unit",
                                    attribute({"a.service", "*.service", "b*.service", "**"}));
    if (one_in(8)) grant.attributes.emplace_back("user_unit", attribute({"x.service", "**"}));
    if (one_in(8))
      grant.attributes.emplace_back("exe", attribute({"/usr/bin/a", "/usr/*", "/**", "**"}));
    if (one_in(8)) grant.attributes.emplace_back("label", attribute({"l-one", "l-*", "l"}));
    if (one_in(8)) grant.attributes.emplace_back("container", attribute({"c1", "*", "c2"}));
    if (one_in(12)) grant.attributes.emplace_back("pod", attribute({"p1", "**"}));
    if (one_in(12))
      grant.attributes.emplace_back("security_label", attribute({"s:one", "s:*", "{user}"}));
    if (one_in(8) && names_exe(grant))
      grant.digests = some({std::string(64, 'a'), std::string(64, 'c')});
    grant.nested = !grant.deny && one_in(4);
    for (const std::string& name : names)
      if (one_in(grant.deny ? 64 : 36)) grant.facts.push_back(fact(name));
    if (one_in(5)) grant.when = window();
    if (grant.deny) return grant;
    if (one_in(4)) grant.max_skew = choose<std::int64_t>({0, 60, 3600});
    if (one_in(8)) grant.max_skew.reset();
    if (one_in(4)) grant.ttl = choose<std::int64_t>({300, 7200});
    if (one_in(6)) grant.set.emplace_back("subject", choose({"{unit}", "s", "{user}"}));
    if (one_in(8)) grant.set.emplace_back("issuer", choose(audiences));
    if (one_in(8)) grant.set.emplace_back("claim.role", choose({"42", "r", "{uid}"}));
    return grant;
  }

  // Of those that allow, so that user_unit and exe have somebody beside them.
  void ids(naive::Grant& grant) {
    const auto uid = static_cast<std::uint32_t>(1001 + pick(4));
    if (one_in(3))
      grant.uids = {{1001, uid}};
    else if (one_in(3))
      grant.uids = {{uid, uid}, {1001, 1001}};
    else
      grant.uids = {{1000, 1010}};
    if (one_in(4)) grant.gids = {{10, 10}, {12, 12}};
    if (one_in(8)) grant.gids = {{12, 20}};
  }

  naive::Condition attribute(const Texts& patterns) {
    naive::Condition wanted;
    if (!one_in(4)) wanted.is = some(patterns);
    if (wanted.is.empty() || one_in(6)) wanted.is_not = some(patterns);
    return wanted;
  }

  naive::Window window() {
    naive::Window window;
    if (one_in(2)) {
      const auto day = static_cast<int>(pick(7));
      window.days = {day, (day + 1) % 7};
    }
    if (one_in(2)) {
      window.from = static_cast<int>(pick(24) * 60);
      window.to = static_cast<int>(pick(49) * 30);
      if (window.to == window.from) window.to = window.from == 0 ? 1440 : window.from - 30;
    }
    if (one_in(4)) window.after = 1767571200 - 86400;
    if (one_in(4)) window.before = 1767571200 + 3 * 86400;
    if (window.days.empty() && !window.after && !window.before && window.from == 0 &&
        window.to == 1440)
      window.before = 1767571200;
    return window;
  }

  const Texts audiences{"https://a", "https://a/b", "https://u1/x", "https://evil"};
  const Texts numbers{"r", "42", "\"42\"", "7", "042", "-1", "1001", "u1", ""};
  const Texts names{"service",
                    "region",
                    "method",
                    "host",
                    "path",
                    "path_prefix",
                    "bucket",
                    "query.acl",
                    "query.n",
                    "query.*",
                    "header.x-amz-acl",
                    "header.*",
                    "header.x-amz-copy-source",
                    "field.tagging",
                    "field.*",
                    "starts_with.x-amz-acl",
                    "starts_with.*",
                    "content_length_max",
                    "action",
                    "payload",
                    "mode",
                    "expires_in",
                    "signing_options",
                    "encoded_path",
                    "role",
                    "profile",
                    "trust_anchor",
                    "session_name",
                    "duration",
                    "algorithm",
                    "audience",
                    "issuer",
                    "subject",
                    "typ",
                    "claim.role",
                    "claim.*",
                    "claim.level",
                    "ttl"};
  std::mt19937_64 random_;
};

std::string quoted(const std::string& text) {
  std::string made = "\"";
  for (const char c : text) made += c == '"' ? std::string("\\\"") : std::string(1, c);
  return made + "\"";
}

std::string list_of(const Texts& texts) {
  std::string made = "[";
  for (const std::string& text : texts) made += quoted(text) + ", ";
  return made + "]";
}

std::string toml_of(const naive::Condition& wanted) {
  std::string made;
  const auto add = [&](const std::string& name, const std::string& value) {
    made += (made.empty() ? "" : ", ") + name + " = " + value;
  };
  Texts ranges;
  for (const std::size_t index : wanted.cidr) ranges.push_back(naive::networks[index].text);
  if (wanted.is_not.empty() && ranges.empty() && !wanted.min && !wanted.max)
    return wanted.is.size() == 1 ? quoted(wanted.is[0]) : list_of(wanted.is);
  if (!wanted.is.empty()) add("is", list_of(wanted.is));
  if (!wanted.is_not.empty()) add("not", list_of(wanted.is_not));
  if (!ranges.empty()) add("cidr", list_of(ranges));
  if (wanted.min) add("min", std::to_string(*wanted.min));
  if (wanted.max) add("max", std::to_string(*wanted.max));
  return "{ " + made + " }";
}

std::string toml_of(const naive::Ids& ids) {
  if (ids.size() == 1 && ids[0].first != ids[0].second)
    return fmt::format("{{ min = {}, max = {} }}", ids[0].first, ids[0].second);
  std::string made = "[";
  for (const auto& [low, high] : ids) made += std::to_string(low) + ", ";
  return made + "]";
}

std::string clock_text(int minute) {
  return fmt::format("\"{:02}:{:02}\"", minute / 60, minute % 60);
}

std::string toml_of(const naive::Window& window) {
  static const Texts days{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
  std::string made = "[grant.when]\n";
  if (!window.days.empty())
    made += "days = \"" + days[window.days.front()] + "-" + days[window.days.back()] + "\"\n";
  if (window.from != 0) made += "from = " + clock_text(window.from) + "\n";
  if (window.to != 1440) made += "to = " + clock_text(window.to) + "\n";
  const auto time = [](std::int64_t seconds) {
    return quoted(to_rfc3339(SystemTime(std::chrono::seconds(seconds))));
  };
  if (window.after) made += "after = " + time(*window.after) + "\n";
  if (window.before) made += "before = " + time(*window.before) + "\n";
  return made;
}

std::string toml_of(const naive::Grant& grant, std::size_t index) {
  std::string made =
      fmt::format("[[grant]]\nname = \"g{}\"\nkey = {}\n", index, list_of(grant.keys));
  if (grant.deny) made += "effect = \"deny\"\n";
  std::string caller;
  if (!grant.uids.empty()) caller += "uid = " + toml_of(grant.uids) + "\n";
  if (!grant.gids.empty()) caller += "gid = " + toml_of(grant.gids) + "\n";
  for (const auto& [name, wanted] : grant.attributes)
    caller += name + " = " + toml_of(wanted) + "\n";
  if (!grant.digests.empty()) caller += "exe_sha256 = " + list_of(grant.digests) + "\n";
  if (grant.nested) caller += "nested = true\n";
  if (!caller.empty()) made += "[grant.caller]\n" + caller;
  made += "[grant.facts]\n";
  for (const naive::FactRule& rule : grant.facts)
    made += quoted(rule.name) + " = " +
            (rule.kind == naive::FactRule::forbidden   ? "false"
             : rule.kind == naive::FactRule::permitted ? "true"
                                                       : toml_of(rule.wanted)) +
            "\n";
  if (grant.when) made += toml_of(*grant.when);
  if (grant.deny) return made;
  made += fmt::format("[grant.limits]\nttl = \"{}s\"\nmax_skew = {}\n[grant.set]\n", *grant.ttl,
                      grant.max_skew ? fmt::format("\"{}s\"", *grant.max_skew) : "\"unlimited\"");
  for (const auto& [name, text] : grant.set) made += quoted(name) + " = " + quoted(text) + "\n";
  return made;
}

std::size_t from_environment(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

Decision ask(const Policy& policy, const naive::Question& question) {
  Facts facts;
  for (const auto& [name, value] : question.facts) facts.add(name, value);
  std::optional<std::chrono::seconds> ttl;
  if (question.ttl) ttl = std::chrono::seconds(*question.ttl);
  return policy.decide({question.caller, question.key, facts, std::chrono::seconds(question.skew),
                        ttl, SystemTime(std::chrono::seconds(question.now))});
}

TEST(PolicyProperty, DecidesAsTheRulesSay) {
  const std::size_t seed = from_environment("HOLDFAST_SEED", 20260105);
  const std::size_t decisions = from_environment("HOLDFAST_DECISIONS", 1'000'000);
  Maker make(seed);
  std::size_t allowed = 0, denied = 0;
  for (std::size_t made = 0; made < decisions;) {
    const std::vector<naive::Grant> grants = make.grants();
    std::string text;
    for (std::size_t i = 0; i < grants.size(); ++i) text += toml_of(grants[i], i);
    std::shared_ptr<const Policy> policy;
    try {
      policy = Policy::load({{"p.toml", text}});
    } catch (const Error& error) {
      FAIL() << error.detail() << "\nHOLDFAST_SEED=" << seed << "\n" << text;
    }
    for (int i = 0; i < 400; ++i, ++made) {
      const naive::Question question = make.question();
      const naive::Answer wanted = naive::decide(grants, question);
      const Decision got = ask(*policy, question);
      allowed += got.allowed;
      denied += got.denied;
      if (got.allowed == (wanted.what == naive::Answer::allow) &&
          got.denied == (wanted.what == naive::Answer::deny) &&
          (wanted.what == naive::Answer::nothing || got.grant == wanted.grant))
        continue;
      std::string asked = "key " + question.key + ", uid " + std::to_string(question.caller.uid) +
                          ", unit " + question.caller.unit.substr(0, 20) + ", user " +
                          question.caller.user;
      for (const auto& [name, value] : question.facts) asked += "\n  " + name + " = " + value;
      FAIL() << "HOLDFAST_SEED=" << seed << "\nwanted " << wanted.what << " by " << wanted.grant
             << ", got " << got.allowed << got.denied << " by " << got.grant << ": " << got.reason
             << "\n"
             << asked << "\n"
             << text;
    }
  }
  // That a difference could have shown.
  EXPECT_GT(allowed, decisions / 50);
  EXPECT_GT(denied, decisions / 200);
  RecordProperty("allowed", std::to_string(allowed));
  RecordProperty("denied", std::to_string(denied));
}

}  // namespace
}  // namespace holdfast::policy
