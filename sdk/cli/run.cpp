// `holdfast run`: root starts a command with a label, by which grants can tell it from others of its user.
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "daemon/base/posix.h"
#include "daemon/identity/label.h"
#include "sdk/cli/child.h"
#include "sdk/cli/command.h"
#include "sdk/cli/output.h"
#include "sdk/cli/scope.h"

namespace holdfast::cli {
namespace {

struct RunOptions {
  std::string label, user;
  std::vector<std::string> command;
};

struct User {
  std::string name, home, shell;
  uid_t uid;
  gid_t gid;
};

User user_named(const std::string& name) {
  const passwd* entry = ::getpwnam(name.c_str());
  if (entry == nullptr) throw Failure(Exit::usage, "no such user: " + name);
  return {entry->pw_name, entry->pw_dir, entry->pw_shell, entry->pw_uid, entry->pw_gid};
}

// In the child, still root. The environment stays, but for what would lead back to root's own session.
void become(const User& user) {
  if (::initgroups(user.name.c_str(), user.gid) != 0 ||
      ::setresgid(user.gid, user.gid, user.gid) != 0 ||
      ::setresuid(user.uid, user.uid, user.uid) != 0)
    throw Failure(Exit::failed, "can't become " + user.name + ": " + std::strerror(errno));
  for (const char* name : {"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"}) ::unsetenv(name);
  ::setenv("USER", user.name.c_str(), 1);
  ::setenv("LOGNAME", user.name.c_str(), 1);
  ::setenv("HOME", user.home.c_str(), 1);
  ::setenv("SHELL", user.shell.empty() ? "/bin/sh" : user.shell.c_str(), 1);
}

UniqueFd take_signals() {
  sigset_t taken;
  sigemptyset(&taken);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD})
    sigaddset(&taken, number);
  sigprocmask(SIG_BLOCK, &taken, nullptr);
  UniqueFd signals(::signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) throw_errno(ErrorKind::internal, "signalfd");
  return signals;
}

int wait_for(Child& child, int signals) {
  while (child.running()) {
    pollfd ready{signals, POLLIN, 0};
    ::poll(&ready, 1, -1);
    signalfd_siginfo info{};
    while (::read(signals, &info, sizeof info) == sizeof info)
      // What a terminal's key sends goes to its whole foreground group: the program has it already.
      if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL)
        child.signal(static_cast<int>(info.ssi_signo));
  }
  return child.status();
}

int run_labelled(const RunOptions& options) {
  if (!identity::is_label(options.label))
    throw Failure(Exit::usage, "a label is [a-z0-9][a-z0-9._-]{0,62}, not " + options.label);
  std::optional<User> user;
  if (!options.user.empty()) user = user_named(options.user);
  if (::geteuid() != 0)
    throw Failure(Exit::failed, "only root can give a label: it is worth what it costs to get one",
                  "run it by sudo, a unit or the runner's own service");
  std::uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != sizeof random)
    throw_errno(ErrorKind::internal, "getrandom");
  const std::string scope = identity::label_scope(options.label, random);
  const UniqueFd signals = take_signals();
  ChildOptions child_options;
  child_options.prepare = [&] {
    enter_scope(scope);
    if (user) become(*user);
  };
  // Also where it ends in between.
  struct End {
    const std::string& scope;
    ~End() {
      try {
        end_scope(scope);
      } catch (const std::exception& error) {
        note("holdfast: " + printable(error.what()));
      }
    }
  } end{scope};
  Child child = Child::start(options.command, child_options);
  return wait_for(child, signals.get());
}

}  // namespace

void add_run_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* run = app.add_subcommand(
      "run", "Run a command with a label that grants can name; only root can give one");
  run->add_option("--label", options->label, "The label: [a-z0-9][a-z0-9._-]{0,62}")
      ->required()
      ->type_name("L");
  run->add_option("--user", options->user, "Run it as this user, with its groups")->type_name("U");
  run->add_option("CMD", options->command, "The command (after `--`)")->required();
  run->footer(
      "It and what it starts keep the label, and can't leave it without root; what is left when it "
      "ends is killed.\nIts exit status is passed on.\n\n"
      "Example, and the grant for it:\n"
      "  holdfast run --label deploy --user ci -- ./deploy.sh\n"
      "  caller = { label = \"deploy\", user = \"ci\" }");
  run->callback([options, &context] { context.exit_code = run_labelled(*options); });
}

}  // namespace holdfast::cli
