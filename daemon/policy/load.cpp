#include "daemon/policy/load.h"

#include <algorithm>
#include <charconv>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/config/table.h"
#include "daemon/policy/accounts.h"

namespace holdfast::policy {
namespace {

using config::Table;
using std::chrono::milliseconds;

constexpr std::int64_t kMaxId = 4294967294;  // 2^32-1 means "no user" (chown(2))
constexpr std::int64_t kMaxRate = 1'000'000'000;
constexpr milliseconds kMaxBackdate = std::chrono::hours(1);

// Not quoted(): with g++ 14 the argument finds std::quoted too.
std::string in_quotes(std::string_view value) {
  return "\"" + std::string(value.substr(0, 128)) + "\"";
}

Pattern pattern_from(const Table& table, std::string_view key, std::string_view text,
                     PatternKind kind) {
  if (const auto fault = fault_in_pattern(text); !fault.empty()) table.fail(key, fault);
  return Pattern(text, kind);
}

std::vector<Pattern> patterns(Table& table, std::string_view key, PatternKind kind,
                              bool may_be_empty = false) {
  std::vector<Pattern> list;
  for (const std::string& text : table.texts(key)) {
    if (text.empty() && !may_be_empty)
      table.fail(key, "has an empty pattern, which matches nothing");
    list.push_back(pattern_from(table, key, text, kind));
  }
  return list;
}

std::vector<Pattern> read_keys(Table& table) {
  std::vector<Pattern> keys = patterns(table, "key", PatternKind::plain);
  if (keys.empty()) table.fail("key", "is missing: name the key, or \"**\" for all");
  for (const Pattern& key : keys) {
    std::string letters = key.text();
    std::ranges::replace(letters, '*', 'x');
    // A pattern may be longer than a name only by its stars, which is no reason to allow it.
    if (!config::is_name(letters))
      table.fail("key", "is " + in_quotes(key.text()) +
                            "; a key's name is [a-z0-9][a-z0-9._-]{0,62}, in which * may stand");
  }
  return keys;
}

std::vector<uid_t> read_users(Table& table) {
  std::vector<uid_t> uids;
  for (const std::string& user : table.texts("user")) {
    const auto account = account_of(user);
    if (!account)
      table.fail("user",
                 "names " + in_quotes(user) +
                     ", who is not in the user database: create the user, correct the name, or "
                     "give a number as uid = 1001");
    uids.push_back(account->uid);
  }
  return uids;
}

std::vector<gid_t> read_groups(Table& table) {
  std::vector<gid_t> gids;
  for (const std::string& group : table.texts("group")) {
    const auto gid = gid_of(group);
    if (!gid)
      table.fail("group", "names " + in_quotes(group) +
                              ", which is not in the group database: create the group, correct the "
                              "name, or give a number as gid = 1001");
    gids.push_back(*gid);
  }
  return gids;
}

std::vector<Pattern> read_units(Table& table, std::string_view key) {
  std::vector<Pattern> units = patterns(table, key, PatternKind::plain);
  for (const Pattern& unit : units)
    if (unit.is_literal() && unit.text().find('.') == std::string::npos)
      table.fail(key, "is " + in_quotes(unit.text()) +
                          "; a unit's name has a suffix: " + in_quotes(unit.text() + ".service"));
  return units;
}

std::vector<std::string> read_digests(Table& table) {
  std::vector<std::string> digests = table.texts("exe_sha256");
  for (const std::string& digest : digests)
    if (digest.size() != 64 || digest.find_first_not_of("0123456789abcdef") != std::string::npos)
      table.fail("exe_sha256",
                 "is " + in_quotes(digest) +
                     "; it has to be 64 hex digits in lower case, as sha256sum shows");
  return digests;
}

std::vector<Pattern> read_labels(Table& table) {
  std::vector<Pattern> labels = patterns(table, "label", PatternKind::plain);
  for (const Pattern& label : labels) {
    std::string letters = label.text();
    std::ranges::replace(letters, '*', 'x');
    if (!config::is_name(letters))
      table.fail("label", "is " + in_quotes(label.text()) +
                              "; what `holdfast run --label` gives is [a-z0-9][a-z0-9._-]{0,62}. "
                              "The security module's label is security_label");
  }
  return labels;
}

bool names_nobody(const CallerRule& rule) {
  return rule.users.empty() && rule.uids.empty() && rule.groups.empty() && rule.gids.empty() &&
         rule.units.empty() && rule.user_units.empty() && rule.exes.empty() &&
         rule.exe_digests.empty() && rule.labels.empty() && rule.containers.empty() &&
         rule.pods.empty() && rule.security_labels.empty();
}

CallerRule read_caller(Table& grant) {
  auto table = grant.table("caller");
  if (!table)
    grant.fail("caller", "is missing: say who may, such as caller = { unit = \"orders.service\" }");
  CallerRule rule;
  rule.users = read_users(*table);
  for (const std::int64_t uid : table->integers("uid", 0, kMaxId))
    rule.uids.push_back(static_cast<uid_t>(uid));
  rule.groups = read_groups(*table);
  for (const std::int64_t gid : table->integers("gid", 0, kMaxId))
    rule.gids.push_back(static_cast<gid_t>(gid));
  rule.units = read_units(*table, "unit");
  rule.user_units = read_units(*table, "user_unit");
  rule.exes = patterns(*table, "exe", PatternKind::path);
  rule.exe_digests = read_digests(*table);
  rule.labels = read_labels(*table);
  rule.containers = patterns(*table, "container", PatternKind::plain);
  rule.pods = patterns(*table, "pod", PatternKind::plain);
  rule.security_labels = patterns(*table, "security_label", PatternKind::plain);
  rule.nested = table->boolean("nested").value_or(false);
  table->finish();

  if (names_nobody(rule))
    grant.fail("caller",
               "names nobody: name at least one of user, uid, group, gid, unit, label, container, "
               "pod, security_label");
  const bool names_user = !rule.users.empty() || !rule.uids.empty();
  if (!rule.user_units.empty() && !names_user)
    table->fail("user_unit",
                "means nothing without a user, who can name units at will: add user or uid");
  if (!rule.exes.empty() && !names_user && rule.units.empty())
    table->fail("exe", "only narrows a grant that names who runs it: add user, uid or unit");
  if (!rule.exe_digests.empty() && rule.exes.empty())
    table->fail("exe_sha256", "only narrows a grant that names the executable: add exe");
  for (const Pattern& exe : rule.exes)
    if (!exe.text().starts_with('/') && !exe.text().starts_with("**"))
      table->fail("exe", "has to be an absolute path");
  return rule;
}

std::vector<FactRule> read_facts(Table& grant) {
  std::vector<FactRule> rules;
  auto table = grant.table("facts");
  if (!table) return rules;
  for (const std::string& key : table->keys()) {
    FactRule rule;
    rule.name = fact_name(key);
    const auto kind = fact_kind(rule.name);
    if (rule.name.starts_with("claim.") && is_registered_claim(rule.name.substr(6)))
      table->fail(key,
                  "is a registered claim, which no caller can give: name audience, issuer or "
                  "subject, and limits.ttl");
    if (rule.name == "ttl") table->fail(key, "is a limit: write limits = { ttl = \"5m\" }");
    if (!kind)
      table->fail(key, "is not a fact (a name with a dot has to be in quotes); there are " +
                           std::string(fact_names()));
    if (std::ranges::find(rules, rule.name, &FactRule::name) != rules.end())
      table->fail(key, "is given twice (the case of a header's name does not count)");
    const std::size_t dot = rule.name.find('.');
    rule.wildcard = dot != std::string::npos && rule.name.substr(dot) == ".*";
    if (rule.wildcard) rule.name.pop_back();

    rule.form = kind->form;
    if (kind->form == FactForm::permission) {
      // Closed is what it is without a rule too.
      if (!table->boolean(key).value_or(false)) continue;
    } else if (kind->form == FactForm::maximum) {
      rule.maximum = table->integer(key, 1, INT32_MAX).value_or(0);
    } else if (dot != std::string::npos && table->is_boolean(key)) {
      rule.forbidden = !*table->boolean(key);
      if (!rule.forbidden) table->fail(key, "can't be true: give a pattern, \"**\" for any value");
    } else {
      rule.patterns = patterns(*table, key, kind->pattern, dot != std::string::npos);
    }
    rules.push_back(std::move(rule));
  }
  table->finish();
  return rules;
}

milliseconds duration(const Table& table, std::string_view key, std::string_view text) {
  const auto time = parse_duration(text);
  if (!time)
    table.fail(key,
               "is " + in_quotes(text) + "; a duration is a number and ms, s, m, h or d: \"5m\"");
  return *time;
}

// "100/s". The burst that goes with it, unless another is given, is its number.
Rate rate_from(const Table& table, std::string_view text) {
  std::int64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [at, code] = std::from_chars(text.data(), end, count);
  const std::string_view unit(at, static_cast<std::size_t>(end - at));
  const int seconds = unit == "/s"   ? 1
                      : unit == "/m" ? 60
                      : unit == "/h" ? 3600
                      : unit == "/d" ? 86400
                                     : 0;
  if (code != std::errc() || seconds == 0 || count < 1 || count > kMaxRate)
    table.fail("rate",
               "is " + in_quotes(text) +
                   "; a rate is a number from 1 to 1000000000 and /s, /m, /h or /d: \"100/s\"");
  return {static_cast<double>(count) / seconds, static_cast<std::uint32_t>(count)};
}

void read_limits(Table& grant, Grant& made) {
  auto table = grant.table("limits");
  if (!table) return;
  if (const auto text = table->text("rate")) made.rate = rate_from(*table, *text);
  if (const auto burst = table->integer("burst", 1, kMaxRate)) {
    if (!made.rate) table->fail("burst", "needs a rate beside it, such as rate = \"100/s\"");
    made.rate->burst = static_cast<std::uint32_t>(*burst);
  }
  if (const auto text = table->text("max_skew")) {
    if (*text == "unlimited")
      made.max_skew.reset();
    else
      made.max_skew = duration(*table, "max_skew", *text);
  }
  if (const auto text = table->text("ttl")) {
    made.ttl = duration(*table, "ttl", *text);
    if (made.ttl < std::chrono::seconds(1)) table->fail("ttl", "has to be at least \"1s\"");
  }
  table->finish();
}

void read_set(Table& grant, Grant& made) {
  auto table = grant.table("set");
  if (!table) return;
  for (const std::string& key : table->keys()) {
    const bool claim = key.starts_with("claim.") && key.size() > 6 && key != "claim.*";
    if (key != "issuer" && key != "subject" && key != "backdate" && !claim)
      table->fail(key, "can't be set; there are issuer, subject, backdate and \"claim.NAME\"");
    if (claim && is_registered_claim(std::string_view(key).substr(6)))
      table->fail(key, "is a registered claim: set issuer or subject, the others are the daemon's");
    const std::string text = table->required_text(key);
    if (text.empty() || text.size() > kMaxPatternBytes)
      table->fail(key, "has to have 1 to 1024 bytes: shorten it or leave it out");
    if (key == "backdate" && duration(*table, key, text) > kMaxBackdate)
      table->fail(
          key, "has to be at most \"1h\": a token must not be older than its service is patient");
    try {
      made.set.emplace(key, Template(text));
    } catch (const Error& error) {
      table->fail(key, error.detail());
    }
    for (std::string& name : made.set.at(key).attributes())
      if (std::ranges::find(made.filled_in, name) == made.filled_in.end())
        made.filled_in.push_back(std::move(name));
  }
  table->finish();
}

Grant read_grant(Table& table) {
  Grant grant;
  grant.where = table.where();
  grant.name = table.required_text("name");
  if (!config::is_name(grant.name))
    table.fail("name",
               "is " + in_quotes(grant.name) + "; a grant's name is [a-z0-9][a-z0-9._-]{0,62}");
  table.rename("grant \"" + grant.name + "\"");
  grant.keys = read_keys(table);
  grant.caller = read_caller(table);
  grant.facts = read_facts(table);
  read_limits(table, grant);
  read_set(table, grant);
  table.finish();
  return grant;
}

}  // namespace

std::vector<Grant> read_grants(const std::vector<Source>& sources) {
  std::vector<Grant> grants;
  std::map<std::string, std::string> places;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const toml::table parsed = config::parse_toml(sources[i].name, sources[i].text);
    Table root(parsed, sources[i].name, "");
    for (Table& table : root.tables("grant")) {
      grants.push_back(read_grant(table));
      const Grant& grant = grants.back();
      const auto [other, added] = places.emplace(grant.name, grant.where);
      if (!added)
        table.fail("name", "is also the name of the grant at " + other->second + ": rename one");
    }
    // The process part is config's to read, but a mistyped [[grant]] must not be lost here either.
    if (i == 0)
      for (const std::string_view name : {"daemon", "audit", "limits", "device"}) root.known(name);
    root.finish();
  }
  return grants;
}

}  // namespace holdfast::policy
