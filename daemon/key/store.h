// The catalogue on disk: `folder`/NAME/key.json (metadata), vN.pem (the wrapped key) and vN.DIGEST.crt (its
// certificates, PEM). A key is there whole or not at all, whenever the power goes.
//
// Blocking; one thread at a time (the core's disk worker).
#pragma once

#include <string>
#include <vector>

#include "daemon/key/key.h"

namespace holdfast {

// A key's key.json: one line of JSON, and its SHA-256.
std::string write_metadata(const Key& key);

class Store {
 public:
  // Makes the folder if it is absent (0700). Throws Error{internal} with errno.
  explicit Store(std::string folder);

  // Every key, and removes what an interrupted change left. A key whose files are damaged comes
  // back with `damage` set; it does not stop the others.
  std::vector<Key> load() const;

  // Throws Error{conflict} if the name is taken, Error{internal} with errno.
  void create(const Key& key) const;
  // New versions' and certificates' files first, then the metadata that names them.
  void update(const Key& key) const;
  void remove(const std::string& name) const;

 private:
  std::string folder_;
};

}  // namespace holdfast
