// A new private folder below $TMPDIR (default /tmp), removed with all that is in it.
#pragma once

#include <string>

namespace holdfast::test {

class Folder {
 public:
  Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder();
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + '/' + name; }

 private:
  std::string path_;
};

}  // namespace holdfast::test
