// SigV4 signing keys, each good for one key version, day, region and service. They are the only key
// material that ever reaches the core; what they derive from never does.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "daemon/base/clock.h"
#include "daemon/base/secret.h"

namespace holdfast {

class SigningKeys {
 public:
  // Then the caller who had most of them derived loses the one used longest ago: who asks for ever new
  // dates, regions and services evicts its own alone.
  static constexpr std::size_t kLimit = 1024;
  static constexpr std::chrono::hours kLifetime{24};

  // nullptr if it is not here or is older than its lifetime. Valid until the next call.
  const Secret* find(const std::string& key, std::uint32_t version, const std::string& scope,
                     SteadyTime now);
  // `caller` (Caller::account) is who had it derived; whoever may use the key finds it.
  void put(std::uint64_t caller, const std::string& key, std::uint32_t version,
           const std::string& scope, Secret signing_key, SteadyTime now);
  // Forgets all of a key's: after it was changed.
  void forget(const std::string& key);

 private:
  struct Entry {
    std::uint64_t caller;
    std::string key;
    std::string id;
    Secret signing_key;
    SteadyTime made;
  };
  using Entries = std::list<Entry>;
  void erase(Entries::iterator at);
  void evict();

  Entries entries_;                                           // most recently used first
  std::unordered_map<std::uint64_t, std::size_t> by_caller_;  // how many; never 0
  std::unordered_map<std::string, Entries::iterator> index_;
};

}  // namespace holdfast
