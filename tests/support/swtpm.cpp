#include "tests/support/swtpm.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <thread>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"

namespace holdfast::test {
namespace {

using namespace std::chrono_literals;

UniqueFd connect_to(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) fd.reset();
  return fd;
}

}  // namespace

Swtpm::Swtpm() {
  ::signal(SIGPIPE, SIG_IGN);
  start();
}

void Swtpm::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void Swtpm::start() {
  const std::string program = find_program("swtpm");
  if (program.empty()) throw Error(ErrorKind::internal, "swtpm is not installed");
  const std::string control = socket() + ".ctrl";
  ::unlink(socket().c_str());
  ::unlink(control.c_str());
  const std::string state = "dir=" + folder_.path(), server = "type=unixio,path=" + socket(),
                    ctrl = "type=unixio,path=" + control;
  const std::array<const char*, 12> arguments{program.c_str(),
                                              "socket",
                                              "--tpm2",
                                              "--tpmstate",
                                              state.c_str(),
                                              "--server",
                                              server.c_str(),
                                              "--ctrl",
                                              ctrl.c_str(),
                                              "--flags",
                                              "not-need-init,startup-clear",
                                              nullptr};
  const UniqueFd log(
      ::open((folder_ / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw_errno(ErrorKind::internal, "fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(log.get(), STDOUT_FILENO);
    ::dup2(log.get(), STDERR_FILENO);
    if (::getppid() == parent) ::execv(program.c_str(), const_cast<char* const*>(arguments.data()));
    ::_exit(127);
  }
  for (const auto deadline = std::chrono::steady_clock::now() + 20s;
       !connect_to(socket()) || !connect_to(control); std::this_thread::sleep_for(2ms)) {
    const bool gone = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
    if (gone) pid_ = -1;
    if (gone || std::chrono::steady_clock::now() > deadline) {
      kill();
      throw Error(ErrorKind::internal, "swtpm did not start: " + read_file(folder_ / "log", 65536));
    }
  }
}

// swtpm's tpm_ioctl.h: CMD_INIT is number 2, then flags, both in network order; the answer is a
// result.
void Swtpm::reset() {
  const Bytes command{0, 0, 0, 2, 0, 0, 0, 0};
  const UniqueFd control = connect_to(socket() + ".ctrl");
  if (!control) throw Error(ErrorKind::internal, "swtpm refused to connect");
  write_all(control.get(), as_text(command), "CMD_INIT");
  std::array<std::uint8_t, 4> result{1};
  if (::recv(control.get(), result.data(), result.size(), MSG_WAITALL) != 4 ||
      result != std::array<std::uint8_t, 4>{})
    throw Error(ErrorKind::internal, "swtpm refused to reset");
}

}  // namespace holdfast::test
