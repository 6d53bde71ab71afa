#include "daemon/supervise/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "daemon/base/error.h"
#include "daemon/base/log.h"

namespace holdfast::supervise {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr int kAboveFixed = 10;  // where descriptors stay clear of 3 and 4 until they are put there

void check(int rc, const char* where) {
  if (rc == 0) return;
  errno = rc;
  throw_errno(ErrorKind::internal, where);
}

struct Actions {
  Actions() { check(::posix_spawn_file_actions_init(&raw), "posix_spawn_file_actions_init"); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
  ~Actions() { ::posix_spawn_file_actions_destroy(&raw); }
  posix_spawn_file_actions_t raw;
};

struct Attributes {
  Attributes() {
    check(::posix_spawnattr_init(&raw), "posix_spawnattr_init");
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    check(::posix_spawnattr_setflags(
              &raw, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF),
          "posix_spawnattr_setflags");
    check(::posix_spawnattr_setsigmask(&raw, &none), "posix_spawnattr_setsigmask");
    check(::posix_spawnattr_setsigdefault(&raw, &all), "posix_spawnattr_setsigdefault");
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { ::posix_spawnattr_destroy(&raw); }
  posix_spawnattr_t raw;
};

// What children need of ours, and nothing that would load or trace something.
std::vector<std::string> clean_environment() {
  std::vector<std::string> kept{"PATH=/usr/bin:/bin"};
  const auto keep = [&](const char* name) {
    if (const char* value = std::getenv(name)) kept.push_back(std::string(name) + "=" + value);
  };
  for (const char* name : {"JOURNAL_STREAM", "CREDENTIALS_DIRECTORY", "TZ", "LANG", "LC_ALL"})
    keep(name);
#ifdef HOLDFAST_SANITIZED
  for (const char* name : {"UBSAN_OPTIONS", "TSAN_OPTIONS"}) keep(name);
  // The leak check traces its own process, which hardening forbids.
  const char* options = std::getenv("ASAN_OPTIONS");
  kept.push_back("ASAN_OPTIONS=" + std::string(options ? options : "") + ":detect_leaks=0");
#endif
  return kept;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> raw;
  for (std::string& text : texts) raw.push_back(text.data());
  raw.push_back(nullptr);
  return raw;
}

UniqueFd raised(int fd) {
  UniqueFd high(::fcntl(fd, F_DUPFD_CLOEXEC, kAboveFixed));
  if (!high) throw_errno(ErrorKind::internal, "F_DUPFD_CLOEXEC");
  return high;
}

}  // namespace

std::string find_program(const std::string& name) {
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  for (const auto& path : {folder / name, folder.parent_path() / "libexec/holdfast" / name})
    if (::access(path.c_str(), X_OK) == 0) return path;
  throw Error(ErrorKind::not_found, name + " is neither in " + folder.string() +
                                        " nor in ../libexec/holdfast; install the whole package");
}

void Process::spawn() {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0)
    throw_errno(ErrorKind::internal, "socketpair");
  UniqueFd ours(pair[0]);
  const UniqueFd low(pair[1]);
  const UniqueFd theirs = raised(low.get());
  if (::fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) throw_errno(ErrorKind::internal, "F_SETFL");

  Actions actions;
  check(::posix_spawn_file_actions_addopen(&actions.raw, 0, "/dev/null", O_RDONLY, 0), "addopen");
  check(::posix_spawn_file_actions_adddup2(&actions.raw, theirs.get(), device::kControlFd),
        "adddup2");
  const int owned = beside_ ? beside_.get() : lock_;
  UniqueFd beside;
  if (owned >= 0) {
    beside = raised(owned);
    check(::posix_spawn_file_actions_adddup2(&actions.raw, beside.get(), kBesideFd), "adddup2");
  }
  check(::posix_spawn_file_actions_addclosefrom_np(&actions.raw,
                                                   owned >= 0 ? kBesideFd + 1 : kBesideFd),
        "addclosefrom");
  Attributes attributes;
  std::vector<std::string> environment = clean_environment();
  environment.insert(environment.end(), variables_.begin(), variables_.end());
  std::vector<std::string> command = command_;
  command.insert(command.end(), given_.begin(), given_.end());
  check(::posix_spawn(&pid_, command.front().c_str(), &actions.raw, &attributes.raw,
                      pointers(command).data(), pointers(environment).data()),
        "posix_spawn");
  // Ours and not reaped yet: the number can't be another's.
  pidfd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd_) throw_errno(ErrorKind::internal, "pidfd_open");
  control_ = std::move(ours);
}

void Process::give(std::vector<std::string> arguments, UniqueFd beside) {
  held_ = false;
  given_ = std::move(arguments);
  beside_ = std::move(beside);
}

void Process::start() {
  started_ = std::chrono::steady_clock::now();
  ready = false;
  protection = nullptr;
  killed_ = false;
  try {
    spawn();
    log::info("process_started", {{"process", name_}, {"pid", std::to_string(pid_)}});
  } catch (const Error& error) {
    log::error("process_not_started", {{"process", name_}, {"why", error.what()}});
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    pid_ = 0;
    next_start_ = started_ + backoff_.after(milliseconds{0}, false);
  }
}

bool Process::tell(const json::object& body, std::initializer_list<int> descriptors) {
  if (!control_ || killed_) return false;
  try {
    device::send_control(control_.get(), body, descriptors);
    return true;
  } catch (const Error& error) {
    log::error("process_not_told", {{"process", name_}, {"why", error.what()}});
    kill();
    return false;
  }
}

std::optional<device::ControlMessage> Process::hear() {
  try {
    auto message = device::receive_control(control_.get());
    if (!message) control_.reset();
    return message;
  } catch (const Error& error) {
    log::error("process_not_understood", {{"process", name_}, {"why", error.what()}});
    control_.reset();
    kill();
    return std::nullopt;
  }
}

void Process::kill() {
  if (!running() || killed_) return;
  killed_ = true;
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

std::optional<Ending> Process::reap() {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG) != 0 ||
      info.si_pid == 0)
    return std::nullopt;
  const Ending ending{info.si_code != CLD_EXITED, info.si_status};
  const auto now = std::chrono::steady_clock::now();
  const auto lifetime = duration_cast<milliseconds>(now - started_);
  const auto pause = backoff_.after(lifetime, ready);
  log::write(ending.by_signal || ending.code != 0 ? log::Level::warning : log::Level::info,
             "process_ended",
             {{"process", name_},
              {"pid", std::to_string(pid_)},
              {ending.by_signal ? "signal" : "status", std::to_string(ending.code)},
              {"after_ms", std::to_string(lifetime.count())}});
  next_start_ = now + pause;
  pid_ = 0;
  ready = false;
  pidfd_.reset();
  control_.reset();
  return ending;
}

}  // namespace holdfast::supervise
