#include "daemon/service/signing_keys.h"

#include <algorithm>
#include <iterator>
#include <ranges>

namespace holdfast {
namespace {

// Neither a key's name nor a scope holds a line feed.
std::string id_of(const std::string& key, std::uint32_t version, const std::string& scope) {
  return key + "\n" + std::to_string(version) + "\n" + scope;
}

}  // namespace

const Secret* SigningKeys::find(const std::string& key, std::uint32_t version,
                                const std::string& scope, SteadyTime now) {
  const auto at = index_.find(id_of(key, version, scope));
  if (at == index_.end()) return nullptr;
  if (now - at->second->made >= kLifetime) {
    erase(at->second);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, at->second);
  return &entries_.front().signing_key;
}

void SigningKeys::put(std::uint64_t caller, const std::string& key, std::uint32_t version,
                      const std::string& scope, Secret signing_key, SteadyTime now) {
  std::string id = id_of(key, version, scope);
  if (const auto at = index_.find(id); at != index_.end()) erase(at->second);
  // Nobody may ask for an ended one again, and it would stay.
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto entry = at++;
    if (now - entry->made >= kLifetime) erase(entry);
  }
  if (entries_.size() == kLimit) evict();
  entries_.push_front({caller, key, id, std::move(signing_key), now});
  ++by_caller_[caller];
  index_.emplace(std::move(id), entries_.begin());
}

void SigningKeys::forget(const std::string& key) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto entry = at++;
    if (entry->key == key) erase(entry);
  }
}

void SigningKeys::evict() {
  const auto most =
      std::ranges::max_element(by_caller_, {}, [](const auto& one) { return one.second; });
  const auto oldest = std::ranges::find(std::views::reverse(entries_), most->first, &Entry::caller);
  erase(std::prev(oldest.base()));
}

void SigningKeys::erase(Entries::iterator at) {
  if (const auto own = by_caller_.find(at->caller); --own->second == 0) by_caller_.erase(own);
  index_.erase(at->id);
  entries_.erase(at);
}

}  // namespace holdfast
