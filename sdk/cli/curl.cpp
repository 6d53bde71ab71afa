#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/base/posix.h"
#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/curl_options.h"
#include "sdk/cli/curl_request.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

// A file without a name that the program we become can open as /dev/fd/N; close-on-exec is off.
std::string hand_over(std::string_view text, const char* label) {
  UniqueFd fd(memfd_create(label, 0));
  if (!fd) throw_errno(ErrorKind::internal, "memfd_create");
  write_all(fd.get(), text, "memfd");
  return "/dev/fd/" + std::to_string(fd.release());
}

void run_curl(const std::vector<std::string>& arguments, const Context& context) {
  CurlCommand command = parse_curl(arguments);
  if (command.help) return print(curl_help());
  if (command.socket.empty()) command.socket = context.socket;
  const CurlRequest request = plan_curl(command);
  const Reply reply =
      Client::application(command.socket).post("/v1/sign/sigv4", sign_body(command, request));

  std::vector<Header> headers;
  for (const json::value& header : reply.object().at("headers").as_array())
    headers.emplace_back(header.as_array().at(0).as_string(), header.as_array().at(1).as_string());
  // Nothing goes into the arguments, where every user of the machine could read it.
  const std::string body = request.body ? hand_over(*request.body, "body") : "";
  const std::string config = hand_over(curl_config(command, request, headers, body), "curl");
  execlp("curl", "curl", "-q", "-K", config.c_str(), nullptr);
  throw Failure(Exit::failed, std::string("can't run curl: ") + std::strerror(errno),
                "apt-get install curl");
}

}  // namespace

void add_aws_commands(CLI::App& app, Context& context) {
  CLI::App* aws =
      app.add_subcommand("aws", "Use AWS with keys the daemon holds")->require_subcommand(1);
  aws->footer(
      "Example:\n  holdfast aws curl --key orders-aws --region eu-west-1 --service s3 \\\n"
      "      -- https://bucket.s3.eu-west-1.amazonaws.com/invoices/7.pdf");
  add_aws_credential_commands(*aws, context);
  CLI::App* curl = aws->add_subcommand("curl", "Sign a request, then run curl with it");
  // curl's options are read as curl reads them, not as CLI11 does.
  curl->set_help_flag();
  curl->fallthrough(false);
  curl->prefix_command();
  curl->callback([curl, &context] { run_curl(curl->remaining(), context); });
}

}  // namespace holdfast::cli
