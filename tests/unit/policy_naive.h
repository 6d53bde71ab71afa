// The rules of docs/policy.md once more, written for reading and not for speed, and without anything of
// daemon/policy: what the property test holds the real ones against.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/caller.h"

namespace holdfast::naive {

enum Truth { no = 0, unknown = 1, yes = 2 };

// An address or a range as the generator knows it, whatever way it is spelt.
struct Host {
  std::string text;
  enum { name, odd, v4, v6 } kind;
  std::uint64_t high = 0, low = 0;  // of v4 only the lower 32 bits of `low`
};
struct Network {
  std::string text;
  bool is_v4;
  std::uint64_t high, low;
  int bits;
};
extern const std::vector<Host> hosts;
extern const std::vector<Network> networks;

struct Condition {
  std::vector<std::string> is, is_not;
  std::vector<std::size_t> cidr;  // indices of `networks`
  std::optional<std::int64_t> min, max;
};

struct FactRule {
  std::string name;
  enum { condition, forbidden, permitted } kind = condition;
  Condition wanted;
};

using Ids = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

struct Window {
  std::vector<int> days;  // 0 is Monday; none: all
  int from = 0, to = 1440;
  std::optional<std::int64_t> after, before;  // seconds since 1970
};

struct Grant {
  bool deny = false;
  std::vector<std::string> keys;
  Ids uids, gids;
  std::vector<std::pair<std::string, Condition>> attributes;
  std::vector<std::string> digests;  // of the executable
  bool nested = false;
  std::vector<FactRule> facts;
  std::optional<Window> when;
  std::optional<std::int64_t> max_skew = 300, ttl = 3600;  // seconds; max_skew none: unlimited
  std::vector<std::pair<std::string, std::string>> set;
};

struct Question {
  Caller caller;
  std::string key;
  std::vector<std::pair<std::string, std::string>> facts;
  std::int64_t skew = 0;
  std::optional<std::int64_t> ttl;
  std::int64_t now = 0;
};

struct Answer {
  enum { nothing, allow, deny } what = nothing;
  std::size_t grant = 0;
};

Answer decide(const std::vector<Grant>& grants, const Question& question);

}  // namespace holdfast::naive
