#include <optional>

#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/http_server.h"
#include "sdk/cli/output.h"
#include "sdk/cli/scrapes.h"

namespace holdfast::cli {
namespace {

struct MetricsOptions {
  std::optional<std::string> listen;
  std::vector<std::string> hosts;
};

// Scrapers give up after ten seconds by default.
constexpr std::chrono::seconds kPatience{5};

// A connection each time: the daemon may have been restarted, and the socket made anew.
std::string read(const Context& context) {
  Client client = Client::metrics(context.socket);
  client.be_patient(kPatience);
  return client.get_text("/metrics");
}

void show(const MetricsOptions& options, const Context& context) {
  if (!options.listen) {
    std::string text = read(context);
    if (text.ends_with('\n')) text.pop_back();
    return print(text);
  }
  serve_scrapes(
      listening_address(*options.listen), options.hosts, [&] { return read(context); },
      [](const std::string& address) { note("serving http://" + address + "/metrics"); });
}

}  // namespace

void add_metrics_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<MetricsOptions>();
  auto* metrics = app.add_subcommand(
      "metrics", "The daemon's metrics in Prometheus' text form; or serve them to scrapers");
  metrics
      ->add_option("--listen", options->listen,
                   "Serve GET /metrics over HTTP, on the loopback interface unless ADDR is given")
      ->type_name("[ADDR:]PORT");
  metrics
      ->add_option("--host", options->hosts,
                   "A name that scrapers reach this machine by, beside its addresses")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->needs("--listen");
  metrics->footer(
      "Examples:\n"
      "  holdfast metrics | grep holdfast_device_\n"
      "  holdfast metrics --listen 9464");
  metrics->callback([&, options] { show(*options, context); });
}

}  // namespace holdfast::cli
