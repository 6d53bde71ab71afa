#include "sdk/cli/aws_options.h"

#include <cstdlib>
#include <filesystem>

#include "daemon/base/clock.h"
#include "sdk/cli/discovery.h"

namespace holdfast::cli {
namespace {

struct Text {
  const char* name;
  std::string aws::Request::*value;
  const char* type;
  const char* help;
};
constexpr Text kTexts[] = {
    {"--key", &aws::Request::key, "K", "The daemon's key"},
    {"--region", &aws::Request::region, "R",
     "Such as eu-west-1 (default: the trust anchor's, else $AWS_REGION)"},
    {"--role-arn", &aws::Request::role_arn, "ARN", "The role to take on"},
    {"--profile-arn", &aws::Request::profile_arn, "ARN", "Roles Anywhere: the profile"},
    {"--trust-anchor-arn", &aws::Request::trust_anchor_arn, "ARN",
     "Roles Anywhere: the trust anchor"},
    {"--session-name", &aws::Request::session_name, "NAME",
     "What AWS's log calls the session (default: holdfast; Roles Anywhere: none)"},
    {"--audience", &aws::Request::audience, "A",
     "Web identity: whom the token is for (default: sts.amazonaws.com)"},
    {"--endpoint", &aws::Request::endpoint, "URL", "Ask there, and not at AWS's own address"},
    {"--ca-file", &aws::Request::ca_file, "FILE",
     "PEM of those who may vouch for the endpoint (default: the system's)"},
};

std::chrono::seconds seconds_of(const std::string& option, const std::string& text) {
  const auto time = parse_duration(text);
  if (!time || time->count() % 1000 != 0)
    throw Failure(Exit::usage, option + ": no time in whole seconds: " + text,
                  "write 30s, 15m or 12h");
  return std::chrono::duration_cast<std::chrono::seconds>(*time);
}

// For the cache's name, the same from wherever it is given. What is kept is served also while no daemon runs.
std::string socket_name(const std::string& option) {
  try {
    return std::filesystem::absolute(find_application_socket(option)).string();
  } catch (const Failure&) {
    const char* path = std::getenv("HOLDFAST_SOCKET");
    return path && *path ? std::filesystem::absolute(path).string() : "/run/holdfast/holdfast.sock";
  }
}

}  // namespace

std::vector<CLI::Option*> add_aws_options(CLI::App& command, AwsOptions& options) {
  std::vector<CLI::Option*> out;
  const auto add = [&](const char* name, std::string& value, const char* type, const char* help) {
    out.push_back(command.add_option(name, value, help)->type_name(type));
  };
  add("--way", options.way, "WAY",
      "roles-anywhere, session-token, assume-role or web-identity (default: what the other options "
      "say)");
  for (const Text& text : kTexts) add(text.name, options.request.*text.value, text.type, text.help);
  add("--duration", options.duration, "TIME", "How long they are good for (default: 1h)");
  add("--timeout", options.timeout, "TIME", "When to give up, all tries together (default: 60s)");
  return out;
}

aws::Request read_request(const AwsOptions& options, const Context& context) {
  aws::Request request = options.request;
  request.way = aws::choose_way(options.way, request);
  if (!options.duration.empty()) request.duration = seconds_of("--duration", options.duration);
  request.timeout = seconds_of("--timeout", options.timeout);
  request.socket = socket_name(context.socket);
  return aws::resolve(std::move(request));
}

std::vector<std::string> as_arguments(const AwsOptions& options, const Context& context) {
  const aws::Request resolved = read_request(options, context);
  AwsOptions given = options;
  given.request.region = resolved.region;
  if (!given.request.ca_file.empty())
    given.request.ca_file = std::filesystem::absolute(given.request.ca_file).string();
  std::vector<std::string> out{"--way", std::string(to_string(resolved.way))};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) out.insert(out.end(), {name, value});
  };
  for (const Text& text : kTexts) add(text.name, given.request.*text.value);
  add("--duration", given.duration);
  if (given.timeout != AwsOptions{}.timeout) add("--timeout", given.timeout);
  if (!context.socket.empty()) add("--socket", std::filesystem::absolute(context.socket).string());
  return out;
}

}  // namespace holdfast::cli
