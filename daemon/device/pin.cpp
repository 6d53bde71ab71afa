#include "daemon/device/pin.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"

namespace holdfast::device {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& complaint) {
  throw Error(ErrorKind::device_unavailable, "the PIN in " + path + " " + complaint);
}

void check_privacy(const std::string& path, int file) {
  struct stat status {};
  if (::fstat(file, &status) != 0) throw_errno(ErrorKind::device_unavailable, "fstat " + path);
  if (!S_ISREG(status.st_mode)) refuse(path, "is in no regular file");
  if (status.st_uid != 0 && status.st_uid != ::geteuid())
    refuse(path, "belongs to uid " + std::to_string(status.st_uid) + ": chown root " + path);
  if ((status.st_mode & 0177) != 0)
    refuse(path, "can be read or changed by others: chmod 0400 " + path);
}

}  // namespace

Secret read_pin(const std::string& path) {
  // Not blocking, for what is a FIFO by mistake.
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) refuse(path, std::string("can't be opened: ") + std::strerror(errno));
  check_privacy(path, file.get());
  Secret text(kMostPinBytes + 2);  // a line feed, and one byte that would be too much
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t part = ::read(file.get(), text.writable().data() + size, text.size() - size);
    if (part < 0 && errno == EINTR) continue;
    if (part < 0) refuse(path, std::string("can't be read: ") + std::strerror(errno));
    if (part == 0) break;
    size += static_cast<std::size_t>(part);
  }
  if (size > 0 && text.view()[size - 1] == '\n') --size;
  if (size == 0) refuse(path, "is empty: write it there, one line");
  if (size > kMostPinBytes) refuse(path, "has more than 256 bytes");
  if (std::memchr(text.view().data(), '\n', size) != nullptr)
    refuse(path, "has more than one line: only the PIN may be in its file");
  return Secret(text.view().first(size));
}

std::string credential_path(const std::string& name) {
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr)
    throw Error(ErrorKind::device_unavailable,
                "there is no credential " + name +
                    " with the PIN: the service needs "
                    "LoadCredentialEncrypted=" +
                    name + ":…, or give pin_file in place of pin_credential");
  return std::string(folder) + "/" + name;
}

}  // namespace holdfast::device
