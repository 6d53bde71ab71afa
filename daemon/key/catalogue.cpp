#include "daemon/key/catalogue.h"

#include "daemon/base/error.h"

namespace holdfast {

Catalogue::Catalogue(std::vector<Key> keys) {
  for (Key& key : keys) put(std::move(key));
}

Catalogue::Entry Catalogue::find(std::string_view name) const {
  const auto at = keys_.find(name);
  return at == keys_.end() ? nullptr : at->second;
}

void Catalogue::put(Key key) {
  std::string name = key.name;
  keys_.insert_or_assign(std::move(name), std::make_shared<const Key>(std::move(key)));
}

void Catalogue::erase(std::string_view name) {
  const auto at = keys_.find(name);
  if (at != keys_.end()) keys_.erase(at);
}

Catalogue::Change::Change(Catalogue& catalogue, std::string name)
    : catalogue_(catalogue), name_(std::move(name)) {
  if (!catalogue_.changing_.insert(name_).second)
    throw Error(ErrorKind::conflict, "key " + name_ + " is being changed; try again");
}

Catalogue::Change::~Change() {
  catalogue_.changing_.erase(name_);
}

}  // namespace holdfast
