#include "tests/contract/tools.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"

namespace holdfast::test {

Outcome Tools::spawn(const std::vector<std::string>& command) const {
  const UniqueFd output(
      ::open((folder_ / "output").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  const pid_t child = ::fork();
  if (child < 0) throw_errno(ErrorKind::internal, "fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(output.get(), STDOUT_FILENO);
    ::dup2(output.get(), STDERR_FILENO);
    ::setenv("TPM2TOOLS_TCTI", tcti_.c_str(), 1);
    ::setenv("TPM2OPENSSL_TCTI", tcti_.c_str(), 1);
    if (::chdir(folder_.path().c_str()) == 0) ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          read_file(folder_ / "output", 1 << 20)};
}

Outcome Tools::run(const std::vector<std::string>& command) const {
  Outcome outcome = spawn(command);
  spawn({"tpm2_flushcontext", "-t"});
  return outcome;
}

void Tools::must(const std::vector<std::string>& command) const {
  const Outcome outcome = run(command);
  ASSERT_EQ(outcome.status, 0) << testing::PrintToString(command) << '\n' << outcome.output;
}

void Tools::write(const std::string& name, ByteView bytes) const {
  replace_file(folder_ / name, as_text(bytes), 0600);
}

Bytes Tools::read(const std::string& name) const {
  const std::string text = read_file(folder_ / name, 1 << 20);
  return {text.begin(), text.end()};
}

bool Tools::has(const std::string& name) const {
  return std::filesystem::exists(folder_ / name);
}

}  // namespace holdfast::test
