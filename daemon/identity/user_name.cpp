#include "daemon/identity/user_name.h"

#include <pwd.h>

#include <cerrno>
#include <list>
#include <unordered_map>
#include <vector>

#include "daemon/base/clock.h"

namespace holdfast::identity {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t kNames = 256;
constexpr auto kKeep = 10min;
constexpr std::size_t kMaxEntry = 64 * 1024;

std::string look_up(uid_t uid) {
  std::vector<char> text(1024);
  passwd entry{};
  passwd* found = nullptr;
  int rc;
  while ((rc = ::getpwuid_r(uid, &entry, text.data(), text.size(), &found)) == ERANGE &&
         text.size() < kMaxEntry)
    text.resize(text.size() * 2);
  return rc == 0 && found != nullptr ? found->pw_name : std::string();
}

struct Name {
  uid_t uid;
  std::string name;
  SteadyTime asked;
};

// Newest use first.
class NameCache {
 public:
  std::string get(uid_t uid) {
    const SteadyTime now = std::chrono::steady_clock::now();
    const auto known = by_uid_.find(uid);
    if (known != by_uid_.end()) {
      names_.splice(names_.begin(), names_, known->second);
      if (now - known->second->asked >= kKeep) *known->second = {uid, look_up(uid), now};
      return known->second->name;
    }
    if (names_.size() == kNames) {
      by_uid_.erase(names_.back().uid);
      names_.pop_back();
    }
    names_.push_front({uid, look_up(uid), now});
    by_uid_.emplace(uid, names_.begin());
    return names_.front().name;
  }

 private:
  std::list<Name> names_;
  std::unordered_map<uid_t, std::list<Name>::iterator> by_uid_;
};

}  // namespace

std::string user_name(uid_t uid) {
  thread_local NameCache cache;
  return cache.get(uid);
}

}  // namespace holdfast::identity
