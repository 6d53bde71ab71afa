// Waits for a file to be written anew or replaced, whatever puts it there (inotify).
#pragma once

#include <string>

#include "daemon/base/posix.h"

namespace holdfast::cli {

class FileWatch {
 public:
  // Of the file's folder, so that a file that is renamed into its place, or a symbolic link that comes
  // to lead elsewhere, is seen. Throws Failure.
  explicit FileWatch(const std::string& path);

  // Until something changed in the folder, or `seconds` have passed (-1: no end). Throws Failure where the
  // folder is gone.
  void wait(int seconds);

 private:
  std::string folder_;
  UniqueFd events_;
};

}  // namespace holdfast::cli
