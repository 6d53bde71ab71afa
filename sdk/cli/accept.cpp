// What only a person can say: that a clock which went back is right, that another device is meant.
#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/output.h"
#include "sdk/cli/question.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {
namespace {

struct AcceptOptions {
  std::string device;
  bool yes = false;
};

constexpr const char* kDemand = "Type yes to go on:";

void accept_clock(const AcceptOptions& options, const Context& context) {
  if (!options.yes)
    require_answer(
        "The clock went back, or seems to have. From now on the time it shows counts: tokens and\n"
        "signatures of the time in between can be made a second time. Look at the clock first "
        "(`date`).",
        kDemand, "yes", "the clock was not accepted");
  const Reply reply = Client::admin(context.socket).post("/v1/clock/accept", {});
  if (context.json) return print(reply.body);
  const std::string behind = field(reply.object(), "behind_seconds");
  const std::string time = field(reply.object(), "time");
  print(behind == "0" ? "the clock was trusted already; it shows " + time
                      : "the clock counts again; it shows " + time + ", " + behind +
                            " s before the last record");
}

void accept_device(const AcceptOptions& options, const Context& context) {
  if (!options.yes)
    require_answer("This puts the storage root that " + options.device +
                       " has now on record, in place of the former. Keys that were made under\n"
                       "the former one stay lost. If nobody cleared or replaced the device, find "
                       "out first who "
                       "did.\nAn HSM that is not ready is given its PIN once more: correct it "
                       "first if it was refused.",
                   kDemand, "yes", "the device was not accepted");
  const Reply reply = Client::admin(context.socket)
                          .post("/v1/devices/" + encode_component(options.device) + "/accept", {});
  if (context.json) return print(reply.body);
  if (field(reply.object(), "accepted") == "yes")
    return print(options.device +
                 " is accepted as it is now. Keys that were made under the former storage root are "
                 "lost; `holdfast key list` shows each as lost once it was used");
  print(options.device + (field(reply.object(), "pin_again") == "yes"
                              ? " is given its PIN once more; `holdfast health` shows what it says"
                              : " is the one on record already"));
}

}  // namespace

void add_accept_commands(CLI::App& app, Context& context) {
  auto options = std::make_shared<AcceptOptions>();
  const auto add = [&](const std::string& name, const std::string& help,
                       const std::string& accept_help, const std::string& footer) {
    CLI::App* group = app.add_subcommand(name, help)->require_subcommand(1);
    group->footer(footer);
    CLI::App* accept = group->add_subcommand("accept", accept_help);
    accept->footer(footer);
    accept->add_flag("--yes", options->yes, "Don't ask on a terminal");
    return accept;
  };
  CLI::App* clock =
      add("clock", "The clock that tokens and signatures are dated by",
          "Let the clock count as it is, after it went back", "Example:\n  holdfast clock accept");
  clock->callback([options, &context] { accept_clock(*options, context); });
  CLI::App* device =
      add("device", "The devices that hold the keys",
          "Take a cleared or replaced device for the one to use from now on, or give an HSM its "
          "corrected PIN",
          "Example:\n  holdfast device accept tpm");
  device->add_option("NAME", options->device, "Device, see `holdfast health`")->required();
  device->callback([options, &context] { accept_device(*options, context); });
}

}  // namespace holdfast::cli
