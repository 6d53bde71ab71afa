#include "sdk/cli/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "daemon/base/posix.h"
#include "sdk/cli/failure.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

void prepare(const ChildOptions& options) {
  try {
    options.prepare();
  } catch (const std::exception& error) {
    note("holdfast: " + printable(error.what()));
    _exit(1);
  }
}

// Between fork and exec, in a program of one thread. Reports errno through `report` and ends.
[[noreturn]] void become(const std::vector<std::string>& command, const ChildOptions& options,
                         int log, int report, pid_t parent) {
  std::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (options.own_group) setpgid(0, 0);
  if (log >= 0) {
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(nothing, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
  }
  if (options.keep_fd >= 0) fcntl(options.keep_fd, F_SETFD, 0);
  if (options.prepare) prepare(options);
  if (options.ends_with_us) {  // after what may change the user, which clears it
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(127);
  }
  for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  const int code = errno;
  [[maybe_unused]] const auto size = ::write(report, &code, sizeof code);
  _exit(127);
}

}  // namespace

Child Child::start(const std::vector<std::string>& command, const ChildOptions& options) {
  Child child;
  child.name_ = std::filesystem::path(command.front()).filename().string();
  child.log_ = options.log;
  UniqueFd log;
  if (!options.log.empty()) {
    log = UniqueFd(
        ::open(options.log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
    if (!log)
      throw Failure(Exit::failed, "can't write " + options.log + ": " + std::strerror(errno));
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw_errno(ErrorKind::internal, "pipe2");
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t parent = getpid();
  child.pid_ = fork();
  if (child.pid_ < 0) throw_errno(ErrorKind::internal, "fork");
  if (child.pid_ == 0) become(command, options, log.get(), write_end.get(), parent);
  write_end.reset();
  int code = 0;
  if (::read(read_end.get(), &code, sizeof code) == sizeof code) {
    waitpid(child.pid_, nullptr, 0);
    throw Failure(Exit::failed, "can't run " + command.front() + ": " + std::strerror(code));
  }
  return child;
}

bool Child::running() {
  if (reaped_) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
  reaped_ = true;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return false;
}

void Child::signal(int number) {
  if (!reaped_) kill(pid_, number);
}

void Child::stop(std::chrono::seconds patience) {
  if (!running()) return;
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  signal(SIGTERM);
  pollfd ended{pidfd.get(), POLLIN, 0};
  ::poll(&ended, 1, static_cast<int>(patience.count() * 1000));
  if (!running()) return;
  signal(SIGKILL);
  ::poll(&ended, 1, -1);
  running();
}

std::string Child::last_words() const {
  constexpr std::size_t kLines = 10;
  std::ifstream file(log_);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(std::move(line));
  std::string out;
  for (std::size_t i = lines.size() - std::min(lines.size(), kLines); i < lines.size(); ++i)
    out += "\n    " + lines[i];
  return out;
}

}  // namespace holdfast::cli
