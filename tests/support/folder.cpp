#include "tests/support/folder.h"

#include <cstdlib>
#include <filesystem>

#include "daemon/base/error.h"

namespace holdfast::test {

Folder::Folder() {
  const char* base = std::getenv("TMPDIR");
  path_ = std::string(base != nullptr ? base : "/tmp") + "/holdfast-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) throw_errno(ErrorKind::internal, "mkdtemp");
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace holdfast::test
