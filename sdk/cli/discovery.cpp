#include "sdk/cli/discovery.h"

#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

constexpr const char* kStart =
    "start the daemon: `systemctl start holdfastd`, or for development `holdfast dev`";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

std::string admin_beside(const std::string& path) {
  return (std::filesystem::path(path).parent_path() / "admin.sock").string();
}

bool is_trusted(uid_t uid, const std::vector<uid_t>& trusted) {
  return std::find(trusted.begin(), trusted.end(), uid) != trusted.end();
}

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Failure(Exit::failed, "refusing the socket " + path + ": " + why,
                "name the daemon's own socket with --socket or HOLDFAST_SOCKET");
}

}  // namespace

std::string find_application_socket(const std::string& option) {
  if (!option.empty()) return option;
  std::vector<std::string> candidates;
  if (const auto path = environment("HOLDFAST_SOCKET"); !path.empty()) candidates.push_back(path);
  if (const auto folder = environment("XDG_RUNTIME_DIR"); !folder.empty())
    candidates.push_back(folder + "/holdfast/holdfast.sock");
  candidates.push_back("/run/holdfast/holdfast.sock");

  std::string tried;
  for (const std::string& path : candidates) {
    struct stat info {};
    if (lstat(path.c_str(), &info) == 0 || (errno != ENOENT && errno != ENOTDIR)) return path;
    tried += (tried.empty() ? "" : ", ") + path;
  }
  throw Failure(Exit::failed, "no daemon is running here: there is no " + tried, kStart);
}

std::string find_admin_socket(const std::string& option) {
  if (!option.empty()) return admin_beside(option);
  if (const auto path = environment("HOLDFAST_ADMIN_SOCKET"); !path.empty()) return path;
  return admin_beside(find_application_socket(option));
}

std::vector<uid_t> trusted_owners() {
  std::vector<uid_t> owners{0, geteuid()};
  if (const passwd* user = getpwnam("holdfast")) owners.push_back(user->pw_uid);
  return owners;
}

void check_socket(const std::string& path, const std::vector<uid_t>& trusted) {
  if (path.size() > kMaxSocketPath)
    throw Failure(Exit::failed,
                  "the socket's path has " + std::to_string(path.size()) +
                      " bytes, the kernel takes " + std::to_string(kMaxSocketPath) + ": " + path,
                  "give a shorter path, such as one relative to the current folder");
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0)
    throw Failure(Exit::failed, "can't use the socket " + path + ": " + std::strerror(errno),
                  kStart);
  if (S_ISLNK(info.st_mode)) refuse(path, "it is a symbolic link");
  if (!S_ISSOCK(info.st_mode)) refuse(path, "it is not a socket");
  if (!is_trusted(info.st_uid, trusted))
    refuse(path,
           "it belongs to uid " + std::to_string(info.st_uid) + ", not to root, holdfast or you");

  const std::string folder = folder_of(path);
  struct stat above {};
  if (stat(folder.c_str(), &above) != 0)
    refuse(path, std::string("its folder: ") + std::strerror(errno));
  if (!is_trusted(above.st_uid, trusted))
    refuse(path, "its folder belongs to uid " + std::to_string(above.st_uid));
  if ((above.st_mode & (S_IWGRP | S_IWOTH)) && !(above.st_mode & S_ISVTX))
    refuse(path, "others can write to its folder");
}

UniqueFd connect_socket(const std::string& path, const std::vector<uid_t>& trusted, bool admin) {
  check_socket(path, trusted);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw_errno(ErrorKind::internal, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int code = errno;
    if (code == EAGAIN)
      throw Failure(Exit::later, "the daemon's queue of connections is full", "try again later");
    if (code == ECONNREFUSED) throw Failure(Exit::failed, "nothing listens on " + path, kStart);
    if (code == EACCES)
      throw Failure(Exit::refused, "you may not connect to " + path,
                    admin ? "join the group holdfast-admin, or use sudo"
                          : "the socket should be open to all (0666): ask an administrator");
    throw Failure(Exit::failed, "can't connect to " + path + ": " + std::strerror(code), kStart);
  }
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    throw_errno(ErrorKind::internal, "SO_PEERCRED");
  if (!is_trusted(peer.uid, trusted))
    refuse(path, "uid " + std::to_string(peer.uid) + " listens on it, not root, holdfast or you");
  return fd;
}

}  // namespace holdfast::cli
