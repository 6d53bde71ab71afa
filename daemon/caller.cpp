// holdfast-caller: tells the core which program a caller runs, and into what root put it. It alone of our processes may look into
// those of other users; it knows nothing else, and is asked for nothing else. Started by holdfastd, with
// the control socket as descriptor 3.
#include <poll.h>
#include <sys/capability.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>

#include "daemon/base/error.h"
#include "daemon/base/hardening.h"
#include "daemon/base/log.h"
#include "daemon/base/protection.h"
#include "daemon/device/control.h"
#include "daemon/identity/observer.h"
#include "daemon/identity/question.h"

namespace holdfast {
namespace {

std::string gap() {
  if (!identity::cgroup_of(1).empty()) return {};
  return "/proc hides other processes (hidepid=), so a caller's unit and executable can't be read";
}

// False where the core can't be told: then another process of ours has to be.
bool answer_one(UniqueFd& link, identity::Observer& observer) {
  const auto question = identity::receive_question(link.get());
  if (question)
    return identity::send_answer(
        link.get(), {question->id, observer.process_of(question->pidfd.get(), question->measure)});
  const bool closed = identity::is_closed(link.get());
  link.reset();  // where the core is gone its successor comes with a new one
  return closed;
}

// Until the supervisor says stop or is gone.
void serve() {
  UniqueFd link;
  identity::Observer observer;
  for (;;) {
    std::array<pollfd, 2> ready{{{device::kControlFd, POLLIN, 0}, {link.get(), POLLIN, 0}}};
    if (::poll(ready.data(), ready.size(), observer.busy() ? 0 : -1) < 0) {
      if (errno == EINTR) continue;
      throw_errno(ErrorKind::internal, "poll");
    }
    if (observer.busy()) observer.work();  // a fraction of a millisecond
    if (ready[0].revents != 0) {
      auto message = device::receive_control(device::kControlFd);
      if (!message || message->body.contains("stop")) return;
      if (!message->body.contains("link") || message->descriptors.size() != 1) continue;
      link = std::move(message->descriptors.front());
      if (!identity::send_answer(link.get(), {identity::kGapId, {.exe = gap()}})) link.reset();
    } else if (ready[1].revents != 0 && !answer_one(link, observer)) {
      throw Error(ErrorKind::internal, "the core does not take an answer");
    }
  }
}

void run(const std::string& user, const std::string& log_level) {
  log::start("holdfast-caller", log::level_from(log_level));
  block_signals();
  become_user(user, {CAP_SYS_PTRACE});
  harden_process();
  die_with_parent();
  restrict_system_calls(Profile::caller);
  // No Landlock: it would hide from us what we are here to see.
  const Wanted wanted{false, false, 1ULL << CAP_SYS_PTRACE};
  const Protection found = own_protection(0);
  device::send_control(device::kControlFd,
                       {{"ready", true}, {"protection", to_json(found, gaps_in(found, wanted))}});
  serve();
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  CLI::App app("holdfast-caller: started by holdfastd, not by hand");
  std::string user, log_level = "info";
  app.add_option("--user", user);
  app.add_option("--log-level", log_level);
  CLI11_PARSE(app, argc, argv);
  try {
    holdfast::run(user, log_level);
    return 0;
  } catch (const std::exception& error) {
    holdfast::log::error("caller_process_failed", {{"why", error.what()}});
    return 1;
  }
}
