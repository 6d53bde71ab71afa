#include "sdk/cli/file_watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

constexpr std::uint32_t kChanges =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

FileWatch::FileWatch(const std::string& path)
    : folder_(folder_of(path)), events_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (!events_ || ::inotify_add_watch(events_.get(), folder_.c_str(), kChanges) < 0)
    throw Failure(Exit::failed,
                  folder_ + " can't be watched: " + std::string(std::strerror(errno)));
}

void FileWatch::wait(int seconds) {
  pollfd ready{events_.get(), POLLIN, 0};
  if (::poll(&ready, 1, seconds < 0 ? -1 : seconds * 1000) <= 0) return;
  // What belongs to one change comes together; the file is read after all of it.
  alignas(inotify_event) std::array<char, 16384> buffer;
  for (ssize_t size; (size = ::read(events_.get(), buffer.data(), buffer.size())) > 0;)
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0)
        throw Failure(Exit::failed, folder_ + " is gone", "start this again when it is there");
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
}

}  // namespace holdfast::cli
