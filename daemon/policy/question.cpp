#include "daemon/policy/question.h"

#include <algorithm>
#include <charconv>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/policy/accounts.h"
#include "daemon/policy/vocabulary.h"

namespace holdfast::policy {
namespace {

[[noreturn]] void refuse(std::string_view name, std::string_view complaint) {
  throw Error(ErrorKind::invalid_request,
              log::escape(name.substr(0, 128)) + ": " + std::string(complaint));
}

Pair pair_from(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) refuse(text, "has to be written name=value");
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

std::uint32_t id_from(const Pair& pair) {
  std::uint32_t id = 0;
  const char* end = pair.value.data() + pair.value.size();
  const auto [at, code] = std::from_chars(pair.value.data(), end, id);
  if (code != std::errc() || at != end || id == UINT32_MAX)
    refuse(pair.name, "has to be a number, such as " + pair.name + "=1001");
  return id;
}

std::chrono::seconds seconds_from(const Pair& pair) {
  const auto time = parse_duration(pair.value);
  if (!time) refuse(pair.name, "has to be a duration, such as " + pair.name + "=5m");
  return std::chrono::ceil<std::chrono::seconds>(*time);
}

void become(Caller& caller, const Account& account) {
  caller.user = account.user;
  caller.uid = account.uid;
  caller.gid = account.gid;
  const auto groups = groups_of(account);
  caller.groups.insert(caller.groups.end(), groups.begin(), groups.end());
}

}  // namespace

Caller caller_from(std::string_view text) {
  std::vector<Pair> attributes;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    attributes.push_back(pair_from(text.substr(0, comma)));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return caller_from(attributes);
}

Caller caller_from(const std::vector<Pair>& attributes) {
  Caller caller;
  caller.uid = caller.gid = UINT32_MAX;  // nobody, until it is said
  std::optional<gid_t> gid;
  std::vector<std::string> given;
  for (const Pair& pair : attributes) {
    const auto& [name, value] = pair;
    if (value.empty()) refuse(name, "is empty: leave it out");
    if (name != "group" && std::ranges::find(given, name) != given.end())
      refuse(name, "is given twice");
    given.push_back(name);

    if (name == "user") {
      const auto account = account_of(value);
      if (!account) refuse(name, "is not in the user database: give uid=NUMBER");
      if (caller.uid != UINT32_MAX && caller.uid != account->uid)
        refuse(name, "does not have the uid that is given too: give one of them");
      become(caller, *account);
    } else if (name == "uid") {
      const uid_t uid = id_from(pair);
      if (caller.uid != UINT32_MAX && caller.uid != uid)
        refuse(name, "is not that of the user who is given too: give one of them");
      if (const auto account = account_of(uid); account && caller.uid != uid)
        become(caller, *account);
      caller.uid = uid;
    } else if (name == "gid") {
      gid = id_from(pair);
    } else if (name == "group") {
      const auto group = gid_of(value);
      if (!group) refuse(name, "is not in the group database: give gid=NUMBER");
      caller.groups.push_back(*group);
    } else if (name == "unit") {
      caller.unit = value;
    } else if (name == "user_unit") {
      caller.user_unit = value;
    } else if (name == "exe") {
      caller.exe = value;
    } else if (name == "exe_sha256") {
      caller.exe_sha256 = value;
    } else if (name == "label") {
      caller.label = value;
    } else if (name == "container") {
      caller.container = value;
    } else if (name == "pod") {
      caller.pod = value;
    } else if (name == "security_label") {
      caller.security_label = value;
    } else if (name == "nested") {
      if (value != "true" && value != "false") refuse(name, "has to be true or false");
      caller.nested = value == "true";
    } else {
      refuse(name, "is not known; a caller has " + std::string(kCallerWords));
    }
  }
  if (gid) caller.gid = *gid;
  return caller;
}

Asked asked_from(const std::vector<std::string>& arguments) {
  std::vector<Pair> pairs;
  for (const std::string& argument : arguments) pairs.push_back(pair_from(argument));
  return asked_from(std::move(pairs));
}

Asked asked_from(std::vector<Pair> pairs) {
  Asked asked;
  for (Pair& pair : pairs) {
    if (pair.name == "skew") {
      asked.skew = seconds_from(pair);
    } else if (pair.name == "ttl") {
      asked.ttl = seconds_from(pair);
    } else if (pair.name == "at") {
      asked.at = from_rfc3339(pair.value);
      if (!asked.at) refuse(pair.name, "has to be a time, such as at=2026-01-05T09:00:00Z");
    } else {
      pair.name = fact_name(pair.name);
      if (!fact_kind(pair.name) || pair.name.ends_with(".*"))
        refuse(pair.name, "is not a fact; there are " + std::string(fact_names()) + ", skew, at");
      asked.facts.add(std::move(pair.name), std::move(pair.value));
    }
  }
  return asked;
}

}  // namespace holdfast::policy
