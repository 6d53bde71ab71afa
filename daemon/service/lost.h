// Which key versions their device refused to load when they were last used, so that lists and health
// can say so before somebody needs them again. Not kept over a restart: the device is the truth.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace holdfast {

class LostVersions {
 public:
  void add(const std::string& key, std::uint32_t version) { versions_[key].insert(version); }
  // It loaded after all: its device came back, say.
  void remove(const std::string& key, std::uint32_t version) {
    const auto at = versions_.find(key);
    if (at == versions_.end()) return;
    at->second.erase(version);
    if (at->second.empty()) versions_.erase(at);
  }
  void forget(const std::string& key) { versions_.erase(key); }
  bool contains(const std::string& key, std::uint32_t version) const {
    const auto at = versions_.find(key);
    return at != versions_.end() && at->second.contains(version);
  }

 private:
  std::map<std::string, std::set<std::uint32_t>> versions_;
};

}  // namespace holdfast
