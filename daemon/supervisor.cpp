// holdfastd: starts and watches the processes that do the work. Reads the process part of the
// configuration and nothing that a caller sends.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "daemon/base/error.h"
#include "daemon/base/hardening.h"
#include "daemon/base/log.h"
#include "daemon/supervise/supervisor.h"

namespace holdfast {
namespace {

struct Arguments {
  std::string config = "/etc/holdfast/holdfast.toml";
  int ready_fd = -1;
  bool check = false;
};

// Before anything is made, so that a signal finds either nothing or all of it.
void prepare() {
  sigset_t watched;
  sigemptyset(&watched);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) sigaddset(&watched, signal);
  if (::sigprocmask(SIG_BLOCK, &watched, nullptr) != 0) throw_errno(ErrorKind::internal, "prepare");
  ::umask(0077);
  harden_process();
  restrict_system_calls(Profile::supervisor);
}

// The children's: the core needs two for each connection. Root may have more than it was given; where it
// may not, the core takes fewer connections and says so.
void raise_descriptor_limit(std::size_t connections) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) throw_errno(ErrorKind::internal, "RLIMIT_NOFILE");
  const rlim_t wanted = config::descriptors_for(connections);
  if (files.rlim_max >= wanted) return;
  files.rlim_max = wanted;
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0)
    log::info("descriptors_not_raised", {{"limit", std::to_string(files.rlim_cur)}});
}

int run(const Arguments& arguments) {
  log::start("holdfastd", log::Level::info);
  config::check_ownership(arguments.config);
  config::Config config = config::parse(config::read_files(arguments.config));
  log::start("holdfastd", log::level_from(config.log_level));
  if (arguments.check) {
    std::cout << arguments.config << ": [daemon], [audit] and [[device]] are valid; for grants ask "
              << "`holdfast policy check`\n";
    return 0;
  }
  UniqueFd ready_fd(arguments.ready_fd);
  if (ready_fd && ::fcntl(ready_fd.get(), F_SETFD, FD_CLOEXEC) != 0)
    throw_errno(ErrorKind::invalid_request, "--ready-fd");
  prepare();
  raise_descriptor_limit(config.limits.connections);
  auto folder = supervise::RuntimeFolder::take(config.runtime_dir);
  auto listeners = supervise::open_listeners(folder.path(), config.admin_group);
  return supervise::Supervisor(std::move(config), std::move(folder), std::move(listeners),
                               std::move(ready_fd))
      .run();
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  holdfast::Arguments arguments;
  CLI::App app(
      "Keeps keys in a TPM or HSM and signs what policy allows the programs of this machine.");
  app.add_option("--config", arguments.config, "the configuration; policy.d/ lies beside it")
      ->capture_default_str();
  app.add_flag("--check", arguments.check, "read the configuration, say what is wrong, and end");
  app.add_option("--ready-fd", arguments.ready_fd,
                 "write \"ready\" to this descriptor when it serves");
  app.set_version_flag("--version", std::string("holdfastd ") + HOLDFAST_VERSION);
  CLI11_PARSE(app, argc, argv);
  try {
    return holdfast::run(arguments);
  } catch (const std::exception& error) {
    std::cerr << "holdfastd: " << error.what() << '\n';
    return 1;
  }
}
