// `holdfast run`: root starts a command with a label, by which grants can tell it from others of its user.
#include <poll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <optional>

#include "daemon/base/posix.h"
#include "daemon/identity/label.h"
#include "sdk/cli/child.h"
#include "sdk/cli/command.h"
#include "sdk/cli/scope.h"
#include "sdk/cli/user.h"

namespace holdfast::cli {
namespace {

struct RunOptions {
  std::string label, user;
  std::vector<std::string> environment, command;
};

using Environment = std::vector<std::pair<std::string, std::string>>;

// NAME=VALUE, or NAME for what it is here; one that is not set here is not there either.
Environment read_environment(const std::vector<std::string>& words) {
  Environment out;
  for (const std::string& word : words) {
    const std::size_t sign = word.find('=');
    const std::string name = word.substr(0, sign);
    if (name.empty()) throw Failure(Exit::usage, "--env takes NAME or NAME=VALUE, not " + word);
    if (sign != word.npos)
      out.emplace_back(name, word.substr(sign + 1));
    else if (const char* value = std::getenv(name.c_str()))
      out.emplace_back(name, value);
  }
  return out;
}

UniqueFd take_signals(bool own_session) {
  sigset_t taken;
  sigemptyset(&taken);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD})
    sigaddset(&taken, number);
  // We may not stop and leave it reading what is typed into the shell.
  if (own_session)
    for (const int number : {SIGTSTP, SIGWINCH}) sigaddset(&taken, number);
  sigprocmask(SIG_BLOCK, &taken, nullptr);
  UniqueFd signals(::signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) throw_errno(ErrorKind::internal, "signalfd");
  return signals;
}

void hand_on(const signalfd_siginfo& info, Child& child, bool own_session) {
  if (info.ssi_signo == SIGCHLD) return;
  const int number = static_cast<int>(info.ssi_signo);
  // What a terminal sends goes to its whole foreground group.
  if (info.ssi_code != SI_KERNEL)
    child.signal(number);
  else if (own_session)
    ::kill(-child.pid(), number);
}

int wait_for(Child& child, int signals, bool own_session) {
  while (child.running()) {
    pollfd ready{signals, POLLIN, 0};
    ::poll(&ready, 1, -1);
    signalfd_siginfo info{};
    while (::read(signals, &info, sizeof info) == sizeof info) hand_on(info, child, own_session);
  }
  return child.status();
}

int run_labelled(const RunOptions& options) {
  if (!identity::is_label(options.label))
    throw Failure(Exit::usage, "a label is [a-z0-9][a-z0-9._-]{0,62}, not " + options.label);
  std::optional<User> user;
  if (!options.user.empty()) user = user_named(options.user);
  const Environment environment = read_environment(options.environment);
  if (::geteuid() != 0)
    throw Failure(Exit::failed, "only root can give a label: it is worth what it costs to get one",
                  "run it by sudo, a unit or the runner's own service");
  std::uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != sizeof random)
    throw_errno(ErrorKind::internal, "getrandom");
  const UniqueFd signals = take_signals(user.has_value());
  const Scope scope(identity::label_scope(options.label, random));
  ChildOptions child_options;
  child_options.ends_with_us = true;
  child_options.environment = environment;
  child_options.prepare = [&] {
    scope.enter();
    if (user) become(*user);
  };
  Child child = Child::start(options.command, child_options);
  return wait_for(child, signals.get(), user.has_value());
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
  run->add_option(
         "--env", options->environment,
         "Hand this on, or set it; may be repeated. Needed with --user, where little is handed on")
      ->allow_extra_args(false)
      ->type_name("NAME[=VALUE]");
  run->add_option("CMD", options->command, "The command (after `--`)")->required();
  run->footer(
      "It and what it starts keep the label, and can't leave it without root; what is left when it "
      "or run ends is\nkilled. Its exit status is passed on. With --user it has a session without "
      "a "
      "terminal, and of the environment\nLANG, LANGUAGE, LC_*, TERM, TZ, HOLDFAST_SOCKET and what "
      "--env names.\n\n"
      "Example, and the grant for it:\n"
      "  holdfast run --label deploy --user ci -- ./deploy.sh\n"
      "  caller = { label = \"deploy\", user = \"ci\" }");
  run->callback([options, &context] { context.exit_code = run_labelled(*options); });
}

}  // namespace holdfast::cli
