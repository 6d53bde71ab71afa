#include "sdk/cli/scope.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <memory>

#include "daemon/base/posix.h"
#include "daemon/identity/cgroup.h"
#include "daemon/identity/label.h"
#include "daemon/identity/trees.h"
#include "sdk/cli/failure.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kMaxText = 64 * 1024;

template <auto Free>
struct BusFree {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bus = std::unique_ptr<sd_bus, BusFree<sd_bus_flush_close_unref>>;
using Message = std::unique_ptr<sd_bus_message, BusFree<sd_bus_message_unref>>;

void check_bus(int rc) {
  if (rc < 0)
    throw Failure(Exit::failed, std::string("systemd makes no scope: ") + std::strerror(-rc));
}

// As systemctl does for root: the manager's own socket, which needs no bus; else the bus.
Bus connect_to_systemd() {
  sd_bus* bus = nullptr;
  check_bus(sd_bus_new(&bus));
  Bus direct(bus);
  check_bus(sd_bus_set_address(direct.get(), "unix:path=/run/systemd/private"));
  if (sd_bus_start(direct.get()) >= 0) return direct;
  bus = nullptr;
  check_bus(sd_bus_open_system(&bus));
  return Bus(bus);
}

// org.freedesktop.systemd1(5), StartTransientUnit.
void start_transient_scope(const std::string& name, pid_t guard) {
  const Bus bus = connect_to_systemd();
  sd_bus_message* made = nullptr;
  check_bus(sd_bus_message_new_method_call(
      bus.get(), &made, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
      "org.freedesktop.systemd1.Manager", "StartTransientUnit"));
  const Message call(made);
  check_bus(sd_bus_message_append(
      call.get(), "ssa(sv)a(sa(sv))", name.c_str(), "fail", 4, "PIDs", "au", 2,
      static_cast<std::uint32_t>(::getpid()), static_cast<std::uint32_t>(guard), "Slice", "s",
      identity::kLabelSlice.data(), "Description", "s", "A command with a label for Holdfast",
      "CollectMode", "s", "inactive-or-failed", 0));
  sd_bus_error error = SD_BUS_ERROR_NULL;
  const int rc = sd_bus_call(bus.get(), call.get(), 0, &error, nullptr);
  const std::string why = error.message != nullptr ? error.message : std::strerror(-rc);
  sd_bus_error_free(&error);
  if (rc < 0) throw Failure(Exit::failed, "systemd makes no scope: " + why);
}

// The tree that the daemon reads names from.
std::string scope_folder(const std::string& name) {
  const std::string text = read_file("/proc/self/cgroup", kMaxText);
  const auto cgroup = identity::manager_cgroup(text);
  const std::string mount = cgroup ? identity::own_trees().of(*cgroup) : "";
  if (mount.empty())
    throw Failure(Exit::failed, "no cgroup tree is mounted here in which a label could stand",
                  "run it outside the container, where /sys/fs/cgroup is");
  return mount + "/" + std::string(identity::kLabelSlice) + "/" + name;
}

// 0 is the calling process.
void move(pid_t pid, const std::string& folder) {
  const UniqueFd procs(::open((folder + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  if (!procs) throw Failure(Exit::failed, "can't enter " + folder + ": " + std::strerror(errno));
  write_all(procs.get(), std::to_string(pid), "cgroup.procs");
}

std::string slice_of(const std::string& folder) {
  return folder.substr(0, folder.rfind('/'));
}

void make_folder(const std::string& folder) {
  if ((::mkdir(slice_of(folder).c_str(), 0755) != 0 && errno != EEXIST) ||
      ::mkdir(folder.c_str(), 0755) != 0)
    throw Failure(Exit::failed, "can't make " + folder + ": " + std::strerror(errno));
}

bool is_in(const std::string& name) {
  const std::string text = read_file("/proc/self/cgroup", kMaxText);
  const auto cgroup = identity::manager_cgroup(text);
  return cgroup && cgroup->path == std::string(identity::kLabelSlice) + "/" + name;
}

// Calls `done` until it is true; false if it never is in time.
template <class Done>
bool wait_until(Done done) {
  const auto deadline = Steady::now() + kPatience;
  while (!done()) {
    if (Steady::now() > deadline) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

// True once nobody else is in it. A pid that this namespace can't name is shown as 0.
bool kill_all(const std::string& folder) {
  std::ifstream procs(folder + "/cgroup.procs");
  bool empty = true;
  for (pid_t pid = 0; procs >> pid;) {
    if (pid == ::getpid()) continue;
    empty = false;
    if (pid > 0) ::kill(pid, SIGKILL);
  }
  return empty;
}

}  // namespace

Scope::Scope(const std::string& name) : name_(name), folder_(scope_folder(name)) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno(ErrorKind::internal, "pipe2");
  const UniqueFd gone(ends[0]);
  alive_ = UniqueFd(ends[1]);
  guard_ = ::fork();
  if (guard_ < 0) throw_errno(ErrorKind::internal, "fork");
  if (guard_ == 0) {
    alive_.reset();
    guard(gone.get());
  }
}

Scope::~Scope() {
  end();
  ::kill(guard_, SIGKILL);  // it may not have come to be in it
  ::waitpid(guard_, nullptr, 0);
}

void Scope::guard(int gone) const {
  ::setsid();  // out of reach of what is sent to our process group
  char nothing = 0;
  while (::read(gone, &nothing, 1) < 0 && errno == EINTR) continue;
  end();
  _exit(0);
}

void Scope::enter() const {
  if (sd_booted() > 0) {
    start_transient_scope(name_, guard_);
  } else {
    make_folder(folder_);
    for (const pid_t pid : {guard_, 0}) move(pid, folder_);
  }
  if (!wait_until([&] { return is_in(name_); }))
    throw Failure(Exit::failed, "systemd did not start the scope " + name_);
}

void Scope::end() const try {
  wait_until([&] { return kill_all(folder_); });
  if (sd_booted() > 0) return;  // it removes what is empty
  if (is_in(name_)) move(0, slice_of(folder_));
  wait_until([&] { return ::rmdir(folder_.c_str()) == 0 || errno != EBUSY; });
} catch (const std::exception& error) {
  note("holdfast: " + printable(error.what()));
}

}  // namespace holdfast::cli
