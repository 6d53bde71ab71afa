// Who may say what. Default deny. Deciding is pure: no clock, no files, no I/O; names of users and
// groups are resolved when the policy is loaded.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/caller.h"
#include "daemon/base/clock.h"
#include "daemon/base/facts.h"
#include "daemon/policy/truth.h"

namespace holdfast::policy {

// One TOML file, named for messages. Only its [[grant]] tables are read here; the first may also
// hold the process part, which daemon/config reads.
struct Source {
  std::string name;
  std::string text;
};

struct Rate {
  double per_second = 0;
  std::uint32_t burst = 1;
  bool operator==(const Rate&) const = default;
};

// What may be used up; of what is left out there is no end.
struct Quota {
  std::optional<Rate> rate;
  std::optional<std::uint32_t> daily;       // from midnight to midnight, UTC
  std::optional<std::uint32_t> concurrent;  // requests under way

  bool is_bounded() const { return rate || daily || concurrent; }
  bool operator==(const Quota&) const = default;
};

struct Limits {
  Quota all;         // of the grant, by all its callers together
  Quota per_caller;  // by each of them (Caller::account)
  bool operator==(const Limits&) const = default;
};

struct Question {
  const Caller& caller;
  std::string_view key;
  const Facts& facts;
  std::chrono::seconds skew{0};               // |time the caller gave - now|
  std::optional<std::chrono::seconds> ttl{};  // of a token
  SystemTime now{};                           // for grants with a time window
};

struct Decision {
  bool allowed = false;
  // Is it a grant that denies which forbids it? It wins over every one that allows.
  bool denied = false;
  // Index of the grant that allowed it: the first in file order whose caller, key, facts, time,
  // max_skew and ttl all match; or of the first that denies it. Meaningless if it is neither.
  std::size_t grant = 0;
  // Why not, for the record and for `policy suggest`; never shown to applications. Says which
  // grants came nearest and what kept each from matching.
  std::string reason;
};

// One condition of a grant, judged. `fits` says whether it lets the grant take effect: `unknown`
// does for one that denies.
struct Finding {
  Truth holds = Truth::no;
  bool fits = false;
  std::string text;
};

struct Explanation {
  std::size_t grant = 0;
  bool denies = false;
  bool takes_effect = false;  // all its conditions fit
  std::vector<Finding> findings;
};

struct Grant;

// Immutable after load; share it between requests, swap it on reload.
class Policy {
 public:
  // Throws Error{invalid_request} with file, line and what to do about it. All or nothing.
  static std::shared_ptr<const Policy> load(const std::vector<Source>& sources);

  Policy();  // no grant: denies everything
  ~Policy();

  Decision decide(const Question& question) const;

  // Every grant that names the key, in file order, with what each of its conditions came to.
  std::vector<Explanation> explain(const Question& question) const;

  // Does some grant allow this caller something with this key, whatever the facts and the time, and
  // none deny everything? For GET /v1/keys.
  bool names(const Caller& caller, std::string_view key) const;
  // Does some grant that allows name this caller, whatever program it runs? What a connection costs before its first
  // request is bounded by this.
  bool may_name(const Caller& caller) const;
  // Would some grant name this caller if the digest of its executable were known and right?
  bool wants_digest(const Caller& caller) const;
  // Names of the grants that allow and whose `caller` matches, in file order.
  std::vector<std::string> grants_of(const Caller& caller) const;

  std::size_t size() const;
  const std::string& grant_name(std::size_t grant) const;
  const std::string& grant_place(std::size_t grant) const;  // file:line
  const Limits& limits(std::size_t grant) const;
  // Forced values (`set`: issuer, subject, backdate as it is written, claim.NAME), templates filled
  // in from the caller, who is the one that decide() was asked about: then no place is left empty.
  std::map<std::string, std::string> forced(std::size_t grant, const Caller& caller) const;
  // Does any grant name what only the process itself tells (unit, executable, label, container)? Then a
  // kernel without pidfds degrades us.
  bool needs_process_identity() const;

  // SHA-256 in hex of the sources' names and texts, in order.
  const std::string& digest() const { return digest_; }

 private:
  struct Rules;
  std::string reason(const Question& question) const;
  static std::string denial(const Grant& grant, const Question& question, const Grant& allowing);
  std::unique_ptr<const Rules> rules_;
  std::string digest_;
};

}  // namespace holdfast::policy
