#include "daemon/audit/disk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "daemon/audit/log.h"

namespace holdfast::audit {
namespace {

std::string parent(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

[[noreturn]] void fail(const std::string& what, const std::string& path) {
  const int code = errno;
  std::string advice;
  if (code == ENOSPC || code == EDQUOT) advice = ": make room, writing is tried again by itself";
  if (code == EROFS || code == EACCES || code == EPERM)
    advice = ": the daemon's user has to be able to write there";
  throw Error(ErrorKind::audit_unavailable,
              "the audit log can't be written: " + what + " " + path + ": " +
                  std::system_category().message(code) + advice,
              {}, code);
}

}  // namespace

void Disk::make_folder(const std::string& path) {
  if (files_.make_folder(full(path).c_str(), 0700) == 0) {
    if (!path.empty()) folders_.insert(parent(path));
    return;
  }
  if (errno != EEXIST) fail("make", full(path));
}

UniqueFd Disk::open(const std::string& path, int flags) {
  const auto attempt = [&] {
    return UniqueFd(files_.open(full(path).c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
  };
  UniqueFd fd = attempt();
  if (!fd && errno == ENOENT && (flags & O_CREAT) != 0) {
    for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
      make_folder(path.substr(0, slash));
    fd = attempt();
  }
  if (!fd) fail("open", full(path));
  if ((flags & O_CREAT) != 0) folders_.insert(parent(path));
  return fd;
}

void Disk::write(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = files_.write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", full(path));
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

void Disk::truncate(int fd, std::uint64_t size, const std::string& path) {
  if (files_.truncate(fd, static_cast<off_t>(size)) != 0) fail("truncate", full(path));
}

std::uint64_t Disk::size(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) fail("examine", full(path));
  return static_cast<std::uint64_t>(status.st_size);
}

UniqueFd Disk::open_new(const std::string& path) {
  remove(path);
  return open(path, O_WRONLY | O_CREAT | O_EXCL);
}

void Disk::remove(const std::string& path) {
  if (files_.remove(full(path).c_str()) == 0)
    folders_.insert(parent(path));
  else if (errno != ENOENT)
    fail("remove", full(path));
}

void Disk::write_tile(const Tile& tile) {
  const std::string path = tile.path();
  UniqueFd fd = open_new(path);
  write(fd.get(), tile.hashes, path);
  sync_later(std::move(fd));
}

void Disk::replace(const std::string& path, std::string_view text) {
  replace(path, [&](int fd) { write(fd, text, path); });
}

void Disk::replace(const std::string& path, const std::function<void(int fd)>& fill) {
  const std::string temporary = path + ".tmp";
  const UniqueFd fd = open_new(temporary);
  fill(fd.get());
  sync(fd.get(), temporary);
  if (files_.rename(full(temporary).c_str(), full(path).c_str()) != 0)
    fail("rename", full(temporary));
  sync_folder(parent(path));
}

void Disk::sync(int fd, const std::string& path) {
  if (files_.sync(fd) == 0) return;
  const int code = errno;
  throw SyncFailed(
      ErrorKind::audit_unavailable,
      "the audit log can't be made durable: fsync " + full(path) + ": " +
          std::system_category().message(code) +
          ": check the disk; nothing is signed until what was not durable stands in new files",
      {}, code);
}

void Disk::sync() {
  for (const UniqueFd& fd : unsynced_) sync(fd.get(), "tile");
  unsynced_.clear();
  while (!folders_.empty()) {
    sync_folder(*folders_.begin());
    folders_.erase(folders_.begin());
  }
}

void Disk::sync_parent() {
  const auto slash = folder_.rfind('/');
  const std::string path = slash == std::string::npos ? "." : folder_.substr(0, slash + 1);
  const UniqueFd fd(files_.open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
  if (!fd) fail("open", path);
  sync(fd.get(), "..");
}

void Disk::sync_folder(const std::string& path) {
  sync(open(path, O_RDONLY | O_DIRECTORY).get(), path);
}

}  // namespace holdfast::audit
