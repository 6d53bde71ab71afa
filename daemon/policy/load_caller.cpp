#include <algorithm>

#include "daemon/policy/accounts.h"
#include "daemon/policy/load_parts.h"

namespace holdfast::policy {
namespace {

using config::Table;

constexpr std::int64_t kMaxId = 4294967294;  // 2^32-1 means "no user" (chown(2))

// Numbers, or a range of them.
std::vector<Range> read_ids(Table& outer, std::string_view key) {
  std::vector<Range> ids;
  if (!outer.is_table(key)) {
    for (const std::int64_t id : outer.integers(key, 0, kMaxId)) ids.push_back({id, id});
    return ids;
  }
  auto table = outer.table(key);
  const auto low = table->integer("min", 0, kMaxId), high = table->integer("max", 0, kMaxId);
  table->finish();
  if (!low || !high || *low > *high)
    outer.fail(key, "has to be a number, a list, or { min = 1000, max = 1999 }");
  return {{*low, *high}};
}

std::vector<Range> read_users(Table& table) {
  std::vector<Range> uids;
  for (const std::string& user : table.texts("user")) {
    const auto account = account_of(user);
    if (!account)
      table.fail("user",
                 "names " + in_quotes(user) +
                     ", who is not in the user database: create the user, correct the name, or "
                     "give a number as uid = 1001");
    uids.push_back({account->uid, account->uid});
  }
  return uids;
}

std::vector<Range> read_groups(Table& table) {
  std::vector<Range> gids;
  for (const std::string& group : table.texts("group")) {
    const auto gid = gid_of(group);
    if (!gid)
      table.fail("group", "names " + in_quotes(group) +
                              ", which is not in the group database: create the group, correct the "
                              "name, or give a number as gid = 1001");
    gids.push_back({*gid, *gid});
  }
  return gids;
}

std::optional<Condition> read_attribute(Table& table, std::string_view key,
                                        PatternKind kind = PatternKind::plain) {
  table.known(key);
  if (!table.has(key)) return std::nullopt;
  return read_condition(table, key, {.kind = kind});
}

std::optional<Condition> read_units(Table& table, std::string_view key) {
  const auto units = read_attribute(table, key);
  if (!units) return units;
  for (const auto* list : {&units->is, &units->is_not})
    for (const Wanted& unit : *list)
      if (unit.literal() != nullptr && unit.text().find('.') == std::string::npos)
        table.fail(key, "is " + in_quotes(unit.text()) +
                            "; a unit's name has a suffix: " + in_quotes(unit.text() + ".service"));
  return units;
}

std::optional<Condition> read_label(Table& table) {
  const auto label = read_attribute(table, "label");
  if (!label) return label;
  for (const auto* list : {&label->is, &label->is_not})
    for (const Wanted& wanted : *list) {
      std::string letters = wanted.text();
      std::ranges::replace(letters, '*', 'x');
      if (!config::is_name(letters))
        table.fail("label", "is " + in_quotes(wanted.text()) +
                                "; what `holdfast run --label` gives is [a-z0-9][a-z0-9._-]{0,62}. "
                                "The security module's label is security_label");
    }
  return label;
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

bool names_nobody(const CallerRule& rule) {
  return !rule.names_user() && !rule.names_group() && !rule.unit && !rule.user_unit && !rule.exe &&
         rule.exe_digests.empty() && !rule.label && !rule.container && !rule.pod &&
         !rule.security_label;
}

void check_exe(const Table& table, const Condition& exe) {
  for (const auto* list : {&exe.is, &exe.is_not})
    for (const Wanted& path : *list)
      if (!path.text().starts_with('/') && !path.text().starts_with("**"))
        table.fail("exe", "has to be an absolute path");
}

}  // namespace

CallerRule read_caller(Table& grant, Effect effect) {
  auto table = grant.table("caller");
  CallerRule rule;
  if (!table && effect == Effect::deny) return rule;
  if (!table)
    grant.fail("caller", "is missing: say who may, such as caller = { unit = \"orders.service\" }");
  rule.users = read_users(*table);
  rule.uids = read_ids(*table, "uid");
  rule.groups = read_groups(*table);
  rule.gids = read_ids(*table, "gid");
  rule.unit = read_units(*table, "unit");
  rule.user_unit = read_units(*table, "user_unit");
  rule.exe = read_attribute(*table, "exe", PatternKind::path);
  rule.exe_digests = read_digests(*table);
  rule.label = read_label(*table);
  rule.container = read_attribute(*table, "container");
  rule.pod = read_attribute(*table, "pod");
  rule.security_label = read_attribute(*table, "security_label");
  const auto nested = table->boolean("nested");
  rule.nested = nested.value_or(false);
  table->finish();

  if (nested && effect == Effect::deny)
    table->fail("nested", "is for grants that allow: one that denies is for all whom it names");
  if (names_nobody(rule))
    grant.fail("caller", effect == Effect::deny
                             ? "is empty: leave it out to deny everybody"
                             : "names nobody: name at least one of user, uid, group, gid, unit, "
                               "label, container, pod, security_label");
  if (rule.exe) check_exe(*table, *rule.exe);
  // What a caller can choose at will opens nothing; that it closes something is all right.
  if (effect == Effect::deny) return rule;
  if (rule.user_unit && !rule.names_user())
    table->fail("user_unit",
                "means nothing without a user, who can name units at will: add user or uid");
  if (rule.exe && !rule.names_user() && !rule.unit)
    table->fail("exe", "only narrows a grant that names who runs it: add user, uid or unit");
  if (!rule.exe_digests.empty() && !rule.exe)
    table->fail("exe_sha256", "only narrows a grant that names the executable: add exe");
  return rule;
}

}  // namespace holdfast::policy
