#include "daemon/supervise/folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

#include "daemon/base/error.h"

namespace holdfast::supervise {
namespace {

constexpr mode_t kMode = 0755;
constexpr std::chrono::milliseconds kPatience{3000};
constexpr std::chrono::milliseconds kLook{10};

[[noreturn]] void refuse(const std::string& path, const std::string& offence) {
  throw Error(ErrorKind::invalid_request,
              path + " " + offence +
                  ", so the sockets would not be safe there; correct that, or choose another "
                  "runtime_dir in [daemon]");
}

bool is_ours(const struct stat& status) {
  return status.st_uid == 0 || status.st_uid == ::geteuid();
}

// A folder above: who may write to it could put another folder in our place, unless it is sticky.
// A user's private group may; where the daemon is root no group but root's may.
void check_above(const std::filesystem::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0)
    throw_errno(ErrorKind::internal, "look at " + path.string());
  if (!is_ours(status)) refuse(path, "belongs to another user");
  if ((status.st_mode & S_ISVTX) != 0) return;
  if ((status.st_mode & S_IWOTH) != 0) refuse(path, "can be written by everybody");
  if ((status.st_mode & S_IWGRP) != 0 && status.st_gid != 0 && ::geteuid() == 0)
    refuse(path, "can be written by a group");
}

UniqueFd open_folder(const std::string& path) {
  if (::mkdir(path.c_str(), kMode) == 0) {
    if (::chmod(path.c_str(), kMode) != 0) throw_errno(ErrorKind::internal, "chmod " + path);
  } else if (errno != EEXIST) {
    throw_errno(ErrorKind::internal, "make " + path);
  }
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder && (errno == ELOOP || errno == ENOTDIR)) refuse(path, "is not a folder itself");
  if (!folder) throw_errno(ErrorKind::internal, "open " + path);
  struct stat status {};
  if (::fstat(folder.get(), &status) != 0) throw_errno(ErrorKind::internal, "fstat " + path);
  if (!is_ours(status)) refuse(path, "belongs to another user");
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) refuse(path, "can be written by others");
  return folder;
}

// Waits a little: the core of a daemon that was just killed lets go a moment later.
UniqueFd take_lock(int folder, const std::string& path) {
  UniqueFd lock(::openat(folder, "holdfast.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock) throw_errno(ErrorKind::internal, "open " + path + "/holdfast.lock");
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) throw_errno(ErrorKind::internal, "flock");
    if (std::chrono::steady_clock::now() > end)
      throw Error(ErrorKind::conflict, "another holdfastd runs with runtime_dir " + path +
                                           "; stop it first, or give this one another");
    std::this_thread::sleep_for(kLook);
  }
  return lock;
}

}  // namespace

RuntimeFolder RuntimeFolder::take(const std::string& path) {
  RuntimeFolder taken;
  taken.path_ = path;
  // With a slash at the end O_NOFOLLOW would follow a link after all.
  while (taken.path_.size() > 1 && taken.path_.back() == '/') taken.path_.pop_back();
  std::error_code error;
  const std::filesystem::path own = taken.path_;
  auto above = std::filesystem::canonical(own.has_parent_path() ? own.parent_path() : ".", error);
  if (error)
    throw Error(ErrorKind::invalid_request,
                "runtime_dir " + path + ": the folder above it: " + error.message());
  for (;; above = above.parent_path()) {
    check_above(above);
    if (above == above.parent_path()) break;
  }
  const UniqueFd folder = open_folder(taken.path_);
  taken.lock_ = take_lock(folder.get(), taken.path_);
  return taken;
}

}  // namespace holdfast::supervise
