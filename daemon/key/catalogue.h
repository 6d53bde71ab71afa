// The keys as requests see them: in memory, found by name. On the event loop's thread alone.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/key/key.h"

namespace holdfast {

class Catalogue {
 public:
  using Entry = std::shared_ptr<const Key>;
  using Map = std::map<std::string, Entry, std::less<>>;

  explicit Catalogue(std::vector<Key> keys = {});

  Entry find(std::string_view name) const;  // nullptr if there is none
  const Map& all() const { return keys_; }
  void put(Key key);
  void erase(std::string_view name);

  // Holds a name while a change of it is under way (it awaits device and disk); one at a time.
  class Change {
   public:
    Change(Catalogue& catalogue, std::string name);  // throws Error{conflict}
    ~Change();
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

   private:
    Catalogue& catalogue_;
    std::string name_;
  };

 private:
  Map keys_;
  std::set<std::string> changing_;
};

}  // namespace holdfast
