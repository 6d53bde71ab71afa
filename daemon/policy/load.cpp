#include "daemon/policy/load.h"

#include <algorithm>

#include "daemon/policy/load_parts.h"

namespace holdfast::policy {
namespace {

using config::Table;

std::vector<Wanted> read_keys(Table& table) {
  std::vector<Wanted> keys = read_patterns(table, "key", {.places = Places::filled_in});
  if (keys.empty()) table.fail("key", "is missing: name the key, or \"**\" for all");
  for (const Wanted& key : keys) {
    const bool star = key.text().find('*') != std::string::npos;
    if (key.has_places() && star)
      table.fail("key",
                 "has braces and a star: a caller called \"a\" would get the keys of one "
                 "called \"a-b\" too; name the keys without a star");
    std::string letters = key.has_places() ? Template(key.text()).fill({}) : key.text();
    std::ranges::replace(letters, '*', 'x');
    // A pattern may be longer than a name only by its stars, which is no reason to allow it; what is
    // filled in may be anything, and is no key's name then.
    if (!config::is_name(key.has_places() ? "x" + letters : letters))
      table.fail("key", "is " + in_quotes(key.text()) +
                            "; a key's name is [a-z0-9][a-z0-9._-]{0,62}, in which * may stand");
  }
  return keys;
}

Grant read_grant(Table& table) {
  Grant grant;
  grant.where = table.where();
  grant.name = table.required_text("name");
  if (!config::is_name(grant.name))
    table.fail("name",
               "is " + in_quotes(grant.name) + "; a grant's name is [a-z0-9][a-z0-9._-]{0,62}");
  table.rename("grant \"" + grant.name + "\"");
  if (table.choice("effect", {"allow", "deny"}) == "deny") grant.effect = Effect::deny;
  grant.keys = read_keys(table);
  grant.caller = read_caller(table, grant.effect);
  grant.facts = read_facts(table, grant.effect);
  grant.when = read_when(table);
  if (grant.effect == Effect::allow) {
    read_limits(table, grant);
    read_set(table, grant);
  }
  for (const std::string_view name : {"limits", "set"})
    if (grant.effect == Effect::deny && table.has(name))
      table.fail(name, "means nothing in a grant that denies: leave it out");
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
    root.known("include");  // config has read what it names
    // The process part is config's to read, but a mistyped [[grant]] must not be lost here either.
    if (i == 0)
      for (const std::string_view name : {"daemon", "audit", "limits", "device"}) root.known(name);
    root.finish();
  }
  return grants;
}

}  // namespace holdfast::policy
