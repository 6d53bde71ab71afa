#include <algorithm>
#include <charconv>

#include "daemon/base/error.h"
#include "daemon/policy/load_parts.h"

namespace holdfast::policy {
namespace {

using config::Table;
using std::chrono::milliseconds;

constexpr std::int64_t kMaxRate = 1'000'000'000;
constexpr milliseconds kMaxBackdate = std::chrono::hours(1);

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

std::optional<std::uint32_t> count_from(Table& table, std::string_view key) {
  const auto count = table.integer(key, 1, kMaxRate);
  return count ? std::optional(static_cast<std::uint32_t>(*count)) : std::nullopt;
}

Quota read_quota(Table& table) {
  Quota quota;
  if (const auto text = table.text("rate")) quota.rate = rate_from(table, *text);
  if (const auto burst = count_from(table, "burst")) {
    if (!quota.rate) table.fail("burst", "needs a rate beside it, such as rate = \"100/s\"");
    quota.rate->burst = *burst;
  }
  quota.daily = count_from(table, "daily");
  quota.concurrent = count_from(table, "concurrent");
  return quota;
}

// The longest token that the facts allow: what only they would limit would go unnoticed.
void check_ttl(const Table& table, const Grant& made) {
  for (const FactRule& rule : made.facts)
    if (rule.name == "ttl" && rule.condition.range &&
        rule.condition.range->low > std::chrono::floor<std::chrono::seconds>(made.ttl).count())
      table.fail("limits",
                 "has a ttl that is below what facts.ttl demands, so that nothing "
                 "matches: raise limits.ttl (1h if it says nothing)");
}

}  // namespace

void read_limits(Table& grant, Grant& made) {
  auto table = grant.table("limits");
  if (table) {
    made.limits.all = read_quota(*table);
    if (auto each = table->table("per_caller")) {
      made.limits.per_caller = read_quota(*each);
      each->finish();
      if (each->is_empty())
        table->fail("per_caller", "is empty: name rate, burst, daily or concurrent");
    }
    if (const auto text = table->text("max_skew")) {
      if (*text == "unlimited")
        made.max_skew.reset();
      else
        made.max_skew = duration_of(*table, "max_skew", *text);
    }
    if (const auto text = table->text("ttl")) {
      made.ttl = duration_of(*table, "ttl", *text);
      if (made.ttl < std::chrono::seconds(1)) table->fail("ttl", "has to be at least \"1s\"");
    }
    table->finish();
  }
  check_ttl(grant, made);
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
    if (key == "backdate" && duration_of(*table, key, text) > kMaxBackdate)
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

}  // namespace holdfast::policy
