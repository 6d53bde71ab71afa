// The file that an endpoint's token is in: for its own user alone, and gone with the endpoint.
#pragma once

#include <string>

#include "daemon/base/secret.h"

namespace holdfast::aws {

class TokenFile {
 public:
  // At `path`, where nothing may be yet; where that is empty, in a new folder below $XDG_RUNTIME_DIR or the folder for
  // temporary files. Throws Error{internal} with errno.
  TokenFile(const std::string& path, const Secret& token);
  ~TokenFile();
  TokenFile(const TokenFile&) = delete;
  TokenFile& operator=(const TokenFile&) = delete;

  const std::string& path() const { return path_; }  // absolute

 private:
  std::string path_, folder_;  // the folder is empty where it is not ours
};

}  // namespace holdfast::aws
