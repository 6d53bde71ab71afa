#include "daemon/supervise/sockets.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "daemon/base/error.h"

namespace holdfast::supervise {
namespace {

struct Socket {
  std::string_view kind;
  std::string_view file;
  mode_t mode;
};
constexpr std::array<Socket, 3> kSockets{{{"application", "holdfast.sock", 0666},
                                          {"admin", "admin.sock", 0660},
                                          {"metrics", "metrics.sock", 0660}}};

gid_t group_number(const std::string& name) {
  if (name.empty()) return static_cast<gid_t>(-1);  // chown(2): leave it
  const group* entry = ::getgrnam(name.c_str());
  if (entry == nullptr)
    throw Error(ErrorKind::invalid_request,
                "no such group: " + name + "; create it, or change admin_group in [daemon]");
  return entry->gr_gid;
}

// Senders are checked from the first byte on, so before anyone can connect (FACTS, identity).
void listen_with_credentials(int socket) {
  const int on = 1;
  if (::setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
      ::listen(socket, SOMAXCONN) != 0)
    throw_errno(ErrorKind::internal, "listen");
}

Listener make(const Socket& socket, const std::string& folder, gid_t admin_group) {
  Listener made{std::string(socket.kind), {}, folder + "/" + std::string(socket.file), 0};
  // Shorter than each final name, so what fits there fits here.
  const std::string temporary = folder + "/.new.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (made.path.size() >= sizeof address.sun_path)
    throw Error(ErrorKind::invalid_request, made.path +
                                                " is longer than the 107 bytes that a "
                                                "socket's path may have; shorten runtime_dir");
  std::memcpy(address.sun_path, temporary.c_str(), temporary.size());
  made.socket = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made.socket) throw_errno(ErrorKind::internal, "socket");

  const mode_t usual = ::umask(0177);
  ::unlink(temporary.c_str());
  const int bound =
      ::bind(made.socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::umask(usual);
  if (bound != 0) throw_errno(ErrorKind::internal, "bind " + temporary);
  const gid_t group = socket.kind == "application" ? static_cast<gid_t>(-1) : admin_group;
  struct stat status {};
  if (::chown(temporary.c_str(), static_cast<uid_t>(-1), group) != 0 ||
      ::chmod(temporary.c_str(), socket.mode) != 0 || ::lstat(temporary.c_str(), &status) != 0)
    throw_errno(ErrorKind::internal, "give " + made.path + " its group and mode");
  listen_with_credentials(made.socket.get());
  if (std::rename(temporary.c_str(), made.path.c_str()) != 0)
    throw_errno(ErrorKind::internal, "rename " + temporary);
  made.inode = status.st_ino;
  return made;
}

std::string path_of(int socket) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return {address.sun_path, ::strnlen(address.sun_path, sizeof address.sun_path)};
}

std::string kind_of(int socket, std::string_view name) {
  const std::string path = path_of(socket);
  for (const Socket& known : kSockets)
    if (name == known.kind) return std::string(known.kind);
  for (const Socket& known : kSockets)
    if (path.ends_with("/" + std::string(known.file))) return std::string(known.kind);
  throw Error(ErrorKind::invalid_request,
              "the socket unit passes \"" + std::string(name) + "\" (" + path +
                  "), which is none of application, admin, metrics; set FileDescriptorName=");
}

std::vector<Listener> inherit() {
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  std::vector<Listener> inherited;
  for (int i = 0; i < count; ++i)
    inherited.push_back({names[i], UniqueFd(SD_LISTEN_FDS_START + i), {}, 0});
  for (int i = 0; i < count; ++i) std::free(names[i]);
  std::free(names);
  for (Listener& listener : inherited) {
    if (::sd_is_socket_unix(listener.socket.get(), SOCK_STREAM, -1, nullptr, 0) <= 0)
      throw Error(ErrorKind::invalid_request, "the socket unit passes \"" + listener.kind +
                                                  "\", which is no Unix stream socket");
    listener.kind = kind_of(listener.socket.get(), listener.kind);
    const int flags = ::fcntl(listener.socket.get(), F_GETFL);
    if (flags < 0 || ::fcntl(listener.socket.get(), F_SETFL, flags | O_NONBLOCK) != 0)
      throw_errno(ErrorKind::internal, "F_SETFL");
    listen_with_credentials(listener.socket.get());
  }
  return inherited;
}

}  // namespace

std::vector<Listener> open_listeners(const std::string& runtime_folder,
                                     const std::string& admin_group) {
  std::vector<Listener> listeners = inherit();
  for (const Socket& socket : kSockets) {
    const auto count = std::count_if(listeners.begin(), listeners.end(),
                                     [&](const Listener& had) { return had.kind == socket.kind; });
    if (count > 1)
      throw Error(ErrorKind::invalid_request,
                  "the socket units pass " + std::string(socket.kind) + " more than once");
    if (count == 0) listeners.push_back(make(socket, runtime_folder, group_number(admin_group)));
  }
  return listeners;
}

void remove_listeners(const std::vector<Listener>& listeners) {
  for (const Listener& listener : listeners) {
    struct stat status {};
    if (!listener.path.empty() && ::lstat(listener.path.c_str(), &status) == 0 &&
        status.st_ino == listener.inode)
      ::unlink(listener.path.c_str());
  }
}

}  // namespace holdfast::supervise
