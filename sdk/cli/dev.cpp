// `holdfast dev`: a software TPM and a daemon of one's own, in one folder.
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "sdk/cli/child.h"
#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/dev_folder.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kPatience = 60s;  // a first start makes the storage root key
constexpr auto kStopPatience = 10s;

std::filesystem::path our_folder() {
  std::error_code ec;
  return std::filesystem::read_symlink("/proc/self/exe", ec).parent_path();
}

// $PATH with our folder in it, so that CMD finds the `holdfast` that runs it.
std::string path_with_us() {
  const char* set = std::getenv("PATH");
  const std::string path = set ? set : "", ours = our_folder();
  if ((":" + path + ":").find(":" + ours + ":") != std::string::npos) return path;
  return path.empty() ? ours : ours + ":" + path;
}

// In an installation the daemon is in sbin, which users don't have in their PATH.
std::string program_beside_us(const std::string& name) {
  std::error_code ec;
  for (const auto& path : {our_folder() / name, our_folder().parent_path() / "sbin" / name})
    if (std::filesystem::exists(path, ec)) return path.string();
  return name;
}

bool answers(const std::string& path) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// Owns what it starts: the destructor ends it, the daemon before its TPM.
class Dev {
 public:
  Dev(const std::string& path, const std::vector<std::string>& command)
      : folder_(open_dev_folder(path)), command_(command) {
    // Taken up through the descriptor, so that nothing is interrupted half-way.
    sigset_t taken;
    sigemptyset(&taken);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) sigaddset(&taken, number);
    sigprocmask(SIG_BLOCK, &taken, nullptr);
    signals_ = UniqueFd(signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) throw_errno(ErrorKind::internal, "signalfd");
  }

  ~Dev() {
    if (program_) program_->stop(5s);
    if (daemon_) daemon_->stop(kStopPatience);
    for (Child& tpm : tpms_) tpm.stop(5s);
  }

  int run(const Context& context) {
    for (const std::string& path : folder_.tpm_sockets) start_tpm(path);
    if (stopped_ || !start_daemon() || !wait_for_devices()) return 130;
    environment_ = {{"HOLDFAST_SOCKET", folder_.runtime + "/holdfast.sock"},
                    {"HOLDFAST_ADMIN_SOCKET", folder_.runtime + "/admin.sock"},
                    {"HOLDFAST_CONFIG", folder_.config}};
    if (!command_.empty()) {
      environment_.emplace_back("PATH", path_with_us());
      return run_program();
    }
    tell_reasons();
    announce(context);
    while (!stopped_) {
      wait_for_event(-1, -1);
      check_parts();
    }
    note("stopping");
    return 0;
  }

 private:
  void start_tpm(const std::string& path) {
    const std::string control = path + ".ctrl";
    unlink(path.c_str());
    unlink(control.c_str());
    const std::string state =
        tpms_.empty() ? folder_.tpm_state : folder_.tpm_state + "/" + std::to_string(tpms_.size());
    std::filesystem::create_directories(state);
    try {
      tpms_.push_back(
          Child::start({"swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + state, "--server",
                        "type=unixio,path=" + path, "--ctrl", "type=unixio,path=" + control,
                        "--flags", "not-need-init,startup-clear"},
                       {folder_.path + "/swtpm.log", true, true, -1, {}}));
    } catch (const Failure& failure) {
      throw Failure(Exit::failed, failure.message(),
                    "install the software TPM: apt-get install swtpm");
    }
    const auto deadline = Clock::now() + kPatience;
    while (!stopped_ && !answers(control)) {
      require_running(tpms_.back());
      if (Clock::now() > deadline)
        throw Failure(Exit::later, "swtpm does not answer on " + control,
                      "see " + folder_.path + "/swtpm.log");
      wait_for_event(-1, 20);
    }
  }

  bool start_daemon() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw_errno(ErrorKind::internal, "pipe2");
    const UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    daemon_ = Child::start({program_beside_us("holdfastd"), "--config", folder_.config,
                            "--ready-fd", std::to_string(ends[1])},
                           {folder_.path + "/holdfastd.log", true, true, ends[1], {}});
    write_end.reset();
    const auto deadline = Clock::now() + kPatience;
    while (!stopped_) {
      if (wait_for_event(read_end.get(), 1000)) {
        char ready[16];
        if (::read(read_end.get(), ready, sizeof ready) > 0) return true;
        daemon_->stop(2s);
      }
      require_running(*daemon_);
      if (Clock::now() > deadline)
        throw Failure(Exit::later, "holdfastd did not get ready:" + daemon_->last_words(),
                      "see " + folder_.path + "/holdfastd.log");
    }
    return false;
  }

  // The daemon is ready once it serves; what CMD asks first shall not find its TPM still starting.
  bool wait_for_devices() {
    Client client = Client::application(folder_.runtime + "/holdfast.sock");
    const auto deadline = Clock::now() + kPatience;
    while (!stopped_ && Clock::now() < deadline) {
      const Reply health = client.get("/v1/health");
      if (std::ranges::none_of(health.object().at("devices").as_array(),
                               [](const auto& device) { return device.at("state") == "starting"; }))
        break;
      wait_for_event(-1, 20);
      check_parts();
    }
    return !stopped_;
  }

  // What is off on this machine, such as Landlock on an old kernel.
  void tell_reasons() {
    const Reply health = Client::application(folder_.runtime + "/holdfast.sock").get("/v1/health");
    for (const json::value& reason : health.object().at("reasons").as_array())
      note("holdfast: " + plain(reason));
  }

  void announce(const Context& context) {
    if (context.json) {
      print(json::serialize(json::object{{"socket", environment_[0].second},
                                         {"admin_socket", environment_[1].second},
                                         {"config", environment_[2].second},
                                         {"pid", getpid()}}));
    } else {
      for (const auto& [name, value] : environment_)
        print("export " + name + "=" + shell_quoted(value));
    }
    note(
        "ready, with a software TPM that protects nothing. Put the lines above into another shell; "
        "Ctrl-C stops it.");
  }

  int run_program() {
    program_ = Child::start(command_, {"", false, false, -1, environment_});
    bool told = false;
    while (program_->running()) {
      wait_for_event(-1, -1);
      if (told) continue;
      try {
        check_parts();
      } catch (const Failure& failure) {
        told = true;
        note("holdfast: " + failure.message());
      }
    }
    return program_->status();
  }

  void require_running(Child& child) {
    if (child.running()) return;
    throw Failure(Exit::failed,
                  child.name() + " ended with status " + std::to_string(child.status()) + ":" +
                      child.last_words(),
                  "see the logs in " + folder_.path);
  }

  void check_parts() {
    for (Child& tpm : tpms_) require_running(tpm);
    require_running(*daemon_);
  }

  // Waits for a signal, for `fd` (true: it can be read), or for the time to pass.
  bool wait_for_event(int fd, int milliseconds) {
    pollfd wait[2] = {{signals_.get(), POLLIN, 0}, {fd, POLLIN, 0}};
    ::poll(wait, fd >= 0 ? 2 : 1, milliseconds);
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) take_signal(info);
    return fd >= 0 && wait[1].revents != 0;
  }

  void take_signal(const signalfd_siginfo& info) {
    const int number = static_cast<int>(info.ssi_signo);
    if (number == SIGCHLD) return;
    if (!program_) {
      stopped_ = true;
      return;
    }
    // What a terminal's key sends goes to its whole foreground group: the program has it already.
    if (info.ssi_code != SI_KERNEL) program_->signal(number);
  }

  DevFolder folder_;
  std::vector<std::string> command_;
  std::vector<std::pair<std::string, std::string>> environment_;
  UniqueFd signals_;
  std::vector<Child> tpms_;
  std::optional<Child> daemon_, program_;
  bool stopped_ = false;
};

}  // namespace

void add_dev_command(CLI::App& app, Context& context) {
  struct Options {
    std::string folder = ".holdfast";
    std::vector<std::string> command;
  };
  auto options = std::make_shared<Options>();
  CLI::App* dev = app.add_subcommand(
      "dev", "A software TPM and a daemon of your own, to try and to develop with");
  dev->add_option("--dir", options->folder, "Its folder, made if absent (default: ./.holdfast)")
      ->type_name("DIR");
  dev->add_option("CMD", options->command,
                  "Run this in its environment and end with it (after `--`)");
  dev->footer(
      "Without CMD it stays in the foreground and prints the environment for other shells.\n\n"
      "Examples:\n  holdfast dev -- bash\n  holdfast dev --dir /tmp/try -- make test");
  dev->callback([options, &context] {
    context.exit_code = Dev(options->folder, options->command).run(context);
  });
}

}  // namespace holdfast::cli
