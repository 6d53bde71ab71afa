#include "sdk/aws/token_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"

namespace holdfast::aws {
namespace {

std::string new_folder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  const std::filesystem::path parent =
      runtime && *runtime ? runtime : std::filesystem::temp_directory_path();
  std::string folder = (parent / "holdfast-aws-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) throw_errno(ErrorKind::internal, folder);
  return folder;
}

}  // namespace

TokenFile::TokenFile(const std::string& path, const Secret& token) {
  if (path.empty()) folder_ = new_folder();
  path_ = path.empty() ? folder_ + "/token" : std::filesystem::absolute(path).string();
  const UniqueFd file(
      ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) throw_errno(ErrorKind::internal, path_);
  write_all(file.get(), as_text(token.view()), path_);
}

TokenFile::~TokenFile() {
  ::unlink(path_.c_str());
  if (!folder_.empty()) ::rmdir(folder_.c_str());
}

}  // namespace holdfast::aws
