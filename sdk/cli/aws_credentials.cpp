// `holdfast aws credential-process`: what an SDK's credential_process runs.
#include <unistd.h>

#include <algorithm>

#include "daemon/base/posix.h"
#include "sdk/aws/credentials.h"
#include "sdk/cli/aws_options.h"
#include "sdk/cli/client.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

using namespace std::chrono_literals;

void print_credentials(const AwsOptions& options, const Context& context) {
  const aws::Request request = read_request(options, context);
  const Clock clock;
  const auto deadline = clock.steady() + request.timeout;
  // Connected when it is first needed: what is cached needs no daemon.
  const auto ask = [&](const std::string& target, const json::object& body) {
    Client client = Client::application(context.socket);
    client.be_patient(std::chrono::ceil<std::chrono::seconds>(
        std::max<SteadyTime::duration>(deadline - clock.steady(), 0s)));
    return client.post(target, body).object();
  };
  const auto warn = [](const std::string& line) { note("holdfast: " + printable(line)); };
  const auto source = aws::make_cached(request, aws::make_source(request, ask, clock), warn, clock);
  SecretText text = aws::to_process_json(source->fetch(deadline));
  text.push_back('\n');
  // Past stdio's buffer, which nobody zeroes.
  write_all(STDOUT_FILENO, {text.data(), text.size()}, "standard output");
}

}  // namespace

void add_aws_credential_commands(CLI::App& aws, Context& context) {
  auto options = std::make_shared<AwsOptions>();
  CLI::App* process = aws.add_subcommand(
      "credential-process", "Short-lived credentials, as SDKs read them from a credential_process");
  add_aws_options(*process, *options);
  process->footer(
      "Kept in ~/.cache/holdfast/aws until 10 minutes before they end, for all processes of this "
      "user.\n\n"
      "Examples:\n"
      "  holdfast aws credential-process --key orders-cert --role-arn arn:… --profile-arn arn:… "
      "\\\n"
      "      --trust-anchor-arn arn:…                              Roles Anywhere\n"
      "  holdfast aws credential-process --key orders-aws --region eu-west-1\n"
      "                                                            STS GetSessionToken\n"
      "  holdfast aws credential-process --way assume-role --key orders-aws --region eu-west-1 \\\n"
      "      --role-arn arn:…\n"
      "  holdfast aws credential-process --way web-identity --key orders-jwt --region eu-west-1 "
      "\\\n"
      "      --role-arn arn:…\n"
      "  holdfast aws configure --help                             write it into ~/.aws/config");
  process->callback([options, &context] { print_credentials(*options, context); });
  add_aws_configure_command(aws, context);
  add_aws_serve_command(aws, context);
}

}  // namespace holdfast::cli
