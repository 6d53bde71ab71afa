// `holdfast key rotate`: the life of a key's versions as one command, which can be stopped anywhere.
#include <poll.h>
#include <unistd.h>

#include <csignal>

#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/key_document.h"
#include "sdk/cli/key_source.h"
#include "sdk/cli/output.h"
#include "sdk/cli/question.h"
#include "sdk/cli/rotation.h"

namespace holdfast::cli {
namespace {

using Kind = RotationStep::Kind;
using std::chrono::seconds;

struct RotateOptions {
  std::string name, publish, retire_after = "1h";
  bool yes = false, no_wait = false;
  KeySource source;
};

volatile std::sig_atomic_t stop_asked = 0;

// The first signal is taken up between two steps; a second one ends the program as usual.
void take_stop_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_asked = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
}

seconds duration_of(const std::string& text, const std::string& option) {
  const auto time = parse_duration(text);
  if (!time) throw Failure(Exit::usage, option + ": no time: " + text, "write 30s, 10m or 12h");
  return std::chrono::ceil<seconds>(*time);
}

SystemTime now() {
  return std::chrono::system_clock::now();
}

std::string clock_text(seconds left) {
  const auto count = left.count();
  const auto two = [](auto n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  return std::to_string(count / 3600) + ":" + two(count / 60 % 60) + ":" + two(count % 60);
}

class Rotation {
 public:
  Rotation(const RotateOptions& options, const Context& context)
      : options_(options), context_(context), client_(Client::admin(context.socket)) {
    fetch();
    use_ = field(key_, "use");
    const std::string publish =
        options.publish.empty() ? (use_ == "sigv4" ? "0s" : "10m") : options.publish;
    times_ = {duration_of(publish, "--publish"),
              duration_of(options.retire_after, "--retire-after")};
  }

  void run() {
    begin();
    for (;;) {
      const RotationStep step = next_step(key_, times_, !begun_, since_when_);
      if (step.kind == Kind::none) return finish();
      if (step.due > now()) {
        say_wait(step);
        if (options_.no_wait) return;
        wait_for(step);
        fetch();
        continue;
      }
      if (begun_ && options_.no_wait) return say_wait(step);
      do_step(step);
      begun_ = true;
      since_when_ = now();
      if (stop_asked) stop();
    }
  }

 private:
  void fetch() { key_ = client_.get(key_path(options_.name)).object(); }

  void begin() {
    const RotationStep first = next_step(key_, times_, true, since_when_);
    if (first.kind != Kind::add) {
      note("goes on with a rotation that was begun: " + state());
      if (options_.source.is_given()) note("no further version is added, and no secret is read");
    }
    if (!options_.yes)
      require_answer("Rotating " + options_.name +
                         ": a new version is made and published, signs after " +
                         clock_text(times_.publish) + ",\nand the former one is retired " +
                         clock_text(times_.retire_after) + " after that (hours:minutes:seconds).",
                     "Type yes to go on:", "yes", "nothing was changed");
    take_stop_signals();
  }

  void do_step(const RotationStep& step) {
    if (step.kind == Kind::add) {
      const Reply reply = add_version(client_, options_.name, use_, "pending", options_.source);
      key_ = reply.object();
      const Version added = versions_of(key_).back();
      say("add", added.number, added.kid,
          "version " + added.number + " (" + added.kid + ") is pending" +
              (use_ == "jwt" ? ", and published in `holdfast jwks`" : ""));
      if (options_.source.is_given()) note_plaintext(options_.source, "it");
      if (use_ == "roles-anywhere")
        note("next: its certificate, before it can sign: holdfast key csr " + options_.name +
             " --version " + added.number + " --subject …");
    } else if (step.kind == Kind::activate) {
      change(step, "activate", "signs from now on");
      if (use_ == "sigv4")
        note("next: deactivate the former access key at AWS, when nothing needs what it signed");
    } else {
      if (use_ == "sigv4" && !options_.yes)
        require_answer("Version " + step.version + " holds the access key " + step.kid + ".",
                       "Is it deactivated at AWS? Type yes to retire it:", "yes",
                       "it was not retired: run this again when it is");
      change(step, "retire", "is retired");
    }
  }

  void change(const RotationStep& step, const std::string& verb, const std::string& done) {
    const std::string path = key_path(options_.name) + "/versions/" + step.version + "/" + verb;
    key_ = client_.post(path, {}).object();
    say(verb, step.version, step.kid, "version " + step.version + " (" + step.kid + ") " + done);
  }

  void finish() {
    if (context_.json)
      return print(json::serialize(json::object{{"step", "done"}, {"key", options_.name}}));
    print(options_.name + " is rotated: " + state());
  }

  // On standard error, a line a minute; on a terminal a countdown.
  void wait_for(const RotationStep& step) {
    const bool terminal = isatty(STDERR_FILENO);
    const std::string what = "version " + step.version +
                             (step.kind == Kind::activate ? " signs in " : " is retired in ");
    seconds told = seconds::max();
    while (step.due > now() && !stop_asked) {
      const auto left = std::chrono::ceil<seconds>(step.due - now());
      if (terminal) {
        const std::string line = "\r  " + what + clock_text(left) + " ";
        [[maybe_unused]] const auto size = write(STDERR_FILENO, line.data(), line.size());
      } else if (told - left >= seconds(60)) {
        note("  " + what + clock_text(left));
        told = left;
      }
      ::poll(nullptr, 0, 200);
    }
    if (terminal) note("");
    if (stop_asked) stop();
  }

  [[noreturn]] void stop() {
    throw Failure(Exit::failed, "stopped: " + state(), "go on with: " + command());
  }

  // "version 1 is active, version 2 is pending"
  std::string state() const {
    std::string out;
    for (const Version& version : versions_of(key_))
      if (version.state != "retired")
        out += (out.empty() ? "" : ", ") + ("version " + version.number + " is " + version.state);
    return out;
  }

  std::string command() const {
    return "holdfast key rotate " + options_.name +
           (options_.publish.empty() ? "" : " --publish " + options_.publish) + " --retire-after " +
           options_.retire_after + (options_.no_wait ? " --no-wait" : "");
  }

  void say(const std::string& step, const std::string& version, const std::string& kid,
           const std::string& text) {
    if (!context_.json) return print(text);
    print(json::serialize(json::object{
        {"step", step}, {"key", options_.name}, {"version", std::stol(version)}, {"kid", kid}}));
  }

  void say_wait(const RotationStep& step) {
    const std::string verb = step.kind == Kind::activate ? "activate" : "retire";
    const std::string due = to_rfc3339(std::chrono::ceil<seconds>(step.due));
    if (context_.json)
      print(json::serialize(json::object{{"step", "wait"},
                                         {"key", options_.name},
                                         {"next", verb},
                                         {"version", std::stol(step.version)},
                                         {"due", due}}));
    if (options_.no_wait)
      note("next, to " + verb + " version " + step.version + ", from " + due + " on: " + command());
  }

  const RotateOptions& options_;
  const Context& context_;
  Client client_;
  json::object key_;
  std::string use_;
  RotationTimes times_;
  SystemTime since_when_ = now();
  bool begun_ = false;
};

}  // namespace

void add_rotate_command(CLI::App& key, Context& context) {
  auto options = std::make_shared<RotateOptions>();
  CLI::App* rotate =
      key.add_subcommand("rotate", "Replace what a key signs with: add, publish, activate, retire");
  rotate->add_option("NAME", options->name, "Key")->required();
  rotate
      ->add_option(
          "--publish", options->publish,
          "How long the new version is only published, so that verifiers fetch the JWK Set "
          "before it signs (default: 10m, for sigv4 0s)")
      ->type_name("TIME");
  rotate
      ->add_option("--retire-after", options->retire_after,
                   "How long the former stays published: the longest life of a token (default: 1h)")
      ->type_name("TIME");
  rotate->add_flag("--no-wait", options->no_wait,
                   "Do the step that is due, if one is, and say when the next one will be");
  rotate->add_flag("--yes", options->yes, "Don't ask on a terminal");
  add_aws_source(*rotate, options->source);
  add_pem_source(*rotate, options->source);
  add_plaintext_removal(*rotate, options->source);
  rotate->footer(
      "Stopped anywhere, it goes on where it was when it is run again: it reads from the key's\n"
      "versions what was done.\n\n"
      "Examples:\n  holdfast key rotate orders-jwt\n"
      "  holdfast key rotate orders-jwt --retire-after 15m --no-wait\n"
      "  holdfast key rotate github-app --pem next.pem --remove-plaintext\n"
      "  holdfast key rotate orders-aws --profile next");
  rotate->callback([options, &context] { Rotation(*options, context).run(); });
}

}  // namespace holdfast::cli
