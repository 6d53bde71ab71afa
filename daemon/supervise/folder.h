// The folder of the sockets: nobody else may put something into it or take it away (THREATS row 21),
// and one daemon at a time has it.
#pragma once

#include <string>

#include "daemon/base/posix.h"

namespace holdfast::supervise {

class RuntimeFolder {
 public:
  // Makes the folder (0755) where it is missing, and takes its lock. Throws Error{invalid_request} if
  // it is a symbolic link, or it or a folder above it is another user's or others may write there;
  // Error{conflict} if another daemon still has it after three seconds.
  static RuntimeFolder take(const std::string& path);

  const std::string& path() const { return path_; }
  int lock() const { return lock_.get(); }

 private:
  std::string path_;
  UniqueFd lock_;
};

}  // namespace holdfast::supervise
