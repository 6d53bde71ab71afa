#include "daemon/service/signing_keys.h"

#include <iterator>

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

void SigningKeys::put(const std::string& key, std::uint32_t version, const std::string& scope,
                      Secret signing_key, SteadyTime now) {
  std::string id = id_of(key, version, scope);
  if (const auto at = index_.find(id); at != index_.end()) erase(at->second);
  // Nobody may ask for an ended one again, and it would stay.
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto entry = at++;
    if (now - entry->made >= kLifetime) erase(entry);
  }
  if (entries_.size() == kLimit) erase(std::prev(entries_.end()));
  entries_.push_front({key, id, std::move(signing_key), now});
  index_.emplace(std::move(id), entries_.begin());
}

void SigningKeys::forget(const std::string& key) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto entry = at++;
    if (entry->key == key) erase(entry);
  }
}

void SigningKeys::erase(Entries::iterator at) {
  index_.erase(at->id);
  entries_.erase(at);
}

}  // namespace holdfast
