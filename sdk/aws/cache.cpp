#include "sdk/aws/cache.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "daemon/base/error.h"

namespace holdfast::aws {
namespace {

constexpr off_t kMaxFile = 64 * 1024;

std::string base_folder() {
  // XDG Base Directory Specification: a relative path is ignored.
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/') return cache;
  if (const char* home = std::getenv("HOME"); home && *home) return std::string(home) + "/.cache";
  if (const passwd* user = ::getpwuid(::geteuid())) return std::string(user->pw_dir) + "/.cache";
  return {};
}

void make_folders(const std::string& path) {
  std::filesystem::path made;
  for (const auto& part : std::filesystem::path(path)) ::mkdir((made /= part).c_str(), 0700);
}

// What is wrong with it; nothing for what is ours alone.
std::string complaint_of(const struct stat& info) {
  if (info.st_uid != ::geteuid()) return "belongs to another user";
  if ((info.st_mode & 077) != 0) return "is open to other users";
  return {};
}

SecretText read_all(int fd, std::size_t size) {
  SecretText text(size);
  std::size_t got = 0;
  while (got < size) {
    const ssize_t n = ::read(fd, text.data() + got, size - got);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    got += static_cast<std::size_t>(n);
  }
  text.resize(got);
  return text;
}

}  // namespace

Cache::Cache(std::string name, Warn warn) : name_(std::move(name)), warn_(std::move(warn)) {
  open_folder();
}

void Cache::warn(const std::string& line) {
  if (line != warned_) warn_(line);
  warned_ = line;
}

void Cache::open_folder() {
  const std::string base = base_folder();
  if (base.empty()) return warn("not cached: there is no home folder");
  path_ = base + "/holdfast/aws";
  make_folders(path_);
  UniqueFd folder(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!folder || ::fstat(folder.get(), &info) != 0)
    return warn("not cached: " + path_ + ": " + std::strerror(errno));
  if (const std::string complaint = complaint_of(info); !complaint.empty())
    return warn("not cached: the folder " + path_ + " " + complaint);
  folder_ = std::move(folder);
}

std::optional<Credentials> Cache::read() {
  if (!folder_) return std::nullopt;
  const std::string file = name_ + ".json", path = path_ + "/" + file;
  const UniqueFd fd(::openat(folder_.get(), file.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::nullopt;
  const auto ignore = [&](const std::string& complaint) {
    warn("ignored: " + path + " " + complaint);
    return std::nullopt;
  };
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0)
    return ignore(std::string("can't be read: ") + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return ignore("is no plain file");
  if (const std::string complaint = complaint_of(info); !complaint.empty())
    return ignore(complaint);
  if (info.st_size > kMaxFile) return ignore("is too large");
  const SecretText text = read_all(fd.get(), static_cast<std::size_t>(info.st_size));
  try {
    return from_cache_json(text);
  } catch (const Error& error) {
    return ignore("is damaged: " + error.detail());
  }
}

Cache::Lock Cache::try_lock() {
  if (!folder_) return Lock::impossible;
  const std::string file = name_ + ".lock";
  if (!lock_)
    lock_ = UniqueFd(::openat(folder_.get(), file.c_str(),
                              O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (lock_ && ::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return Lock::taken;
  if (lock_ && (errno == EWOULDBLOCK || errno == EINTR)) return Lock::busy;
  warn("not cached: " + path_ + "/" + file + ": " + std::strerror(errno));
  return Lock::impossible;
}

void Cache::write(const Credentials& credentials) {
  const std::string file = name_ + ".json", temporary = name_ + ".tmp";
  const SecretText text = to_cache_json(credentials);
  ::unlinkat(folder_.get(), temporary.c_str(), 0);  // of a process that was killed
  try {
    const UniqueFd fd(::openat(folder_.get(), temporary.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) throw_errno(ErrorKind::internal, "create");
    write_all(fd.get(), {text.data(), text.size()}, "write");
    if (::renameat(folder_.get(), temporary.c_str(), folder_.get(), file.c_str()) != 0)
      throw_errno(ErrorKind::internal, "rename");
  } catch (const Error& error) {
    ::unlinkat(folder_.get(), temporary.c_str(), 0);
    warn("not cached: " + path_ + "/" + file + ": " +
         std::strerror(static_cast<int>(error.native_code())));
  }
}

}  // namespace holdfast::aws
