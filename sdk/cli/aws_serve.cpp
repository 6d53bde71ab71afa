// `holdfast aws serve`: credentials over HTTP on loopback, for programs that fetch them from an endpoint.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <boost/asio/signal_set.hpp>

#include "daemon/base/openssl.h"
#include "daemon/base/posix.h"
#include "sdk/aws/container_endpoint.h"
#include "sdk/aws/guard.h"
#include "sdk/aws/metadata_endpoint.h"
#include "sdk/aws/token_file.h"
#include "sdk/cli/aws_file.h"
#include "sdk/cli/aws_options.h"
#include "sdk/cli/aws_profile.h"
#include "sdk/cli/child.h"
#include "sdk/cli/client.h"
#include "sdk/cli/http_server.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

namespace asio = boost::asio;
struct ServeOptions {
  AwsOptions aws;
  std::vector<std::string> profiles;
  std::string listen = "0";
  std::string metadata;  // where the metadata endpoint listens; empty: nowhere
  std::string token_file;
  bool token_in_environment = false;
  std::vector<std::string> command;
};

constexpr std::size_t kMaxFile = 1024 * 1024;

asio::ip::tcp::endpoint loopback(const char* option, const std::string& text) {
  const auto address = listening_address(text);
  if (!address.address().is_loopback())
    throw Failure(
        Exit::usage, std::string(option) + ": is no address of this machine alone: " + text,
        "give PORT, 127.0.0.1:PORT or [::1]:PORT: credentials are not served to a network");
  return address;
}

// The options that `holdfast aws configure` wrote into the profile.
AwsOptions options_of(const std::string& profile, std::string& socket) {
  const std::string path = aws_path("AWS_CONFIG_FILE", "config");
  const auto command = credential_process_of(
      std::filesystem::exists(path) ? read_file(path, kMaxFile) : "", profile);
  const Failure strange(Exit::failed,
                        path + " has no profile " + profile + " that holdfast aws configure wrote",
                        "holdfast aws configure --profile " + profile + " …");
  if (!command) throw strange;
  const auto words = split_command(*command);
  if (words.size() < 3 || words[1] != "aws" || words[2] != "credential-process") throw strange;
  AwsOptions options;
  CLI::App app;
  add_aws_options(app, options);
  std::string given;
  app.add_option("--socket", given);
  std::vector<std::string> rest(words.rbegin(), words.rend() - 3);
  try {
    app.parse(rest);
  } catch (const CLI::ParseError&) {
    throw strange;
  }
  if (socket.empty()) socket = given;
  return options;
}

class Serve {
 public:
  Serve(const ServeOptions& options, const Context& context)
      : options_(options), context_(context), token_(as_bytes(to_base64url(random_bytes(32)))) {
    add_roles();
    const auto container = loopback("--listen", options.listen);
    for (const auto& role : roles_) try_out(*role);
    file_.emplace(options.token_file, token_);
    container_.emplace(
        loop_, container,
        [this](const Asked& asked) { return aws::answer_container(asked, token_, roles_); },
        aws::is_ours);
    if (options.metadata.empty()) return;
    metadata_.emplace(*roles_.front(), clock_);
    metadata_server_.emplace(
        loop_, loopback("--imds", options.metadata),
        [this](const Asked& asked) { return metadata_->answer(asked); }, aws::is_ours);
  }

  [[noreturn]] void run() {
    asio::signal_set signals(loop_, SIGINT, SIGTERM, SIGHUP);
    signals.add(SIGCHLD);
    if (options_.command.empty())
      announce();
    else
      program_ = Child::start(options_.command, {"", false, true, -1, environment()});
    take_signal(signals);
    loop_.run();
    // A fetch that waits for AWS is not waited for.
    file_.reset();
    ::_exit(program_ ? program_->status() : 0);
  }

 private:
  void add_role(const std::string& name, const AwsOptions& options, const Context& context) {
    const aws::Request request = read_request(options, context);
    if (roles_.empty()) region_ = request.region;
    const std::string socket = context.socket;
    const auto ask = [socket, patience = request.timeout](const std::string& target,
                                                          const json::object& body) {
      Client client = Client::application(socket);
      client.be_patient(patience);
      return client.post(target, body).object();
    };
    const auto warn = [](const std::string& line) { note("holdfast: " + printable(line)); };
    roles_.push_back(std::make_unique<aws::Role>(
        name, request.role_arn,
        make_cached(request, make_source(request, ask, clock_), warn, clock_), request.timeout,
        clock_));
  }

  void add_roles() {
    for (const std::string& profile : options_.profiles) {
      Context context = context_;
      const AwsOptions options = options_of(profile, context.socket);
      add_role(profile, options, context);
    }
    if (!options_.profiles.empty()) return;
    const std::string& arn = options_.aws.request.role_arn;
    add_role(arn.empty() ? options_.aws.request.key : arn.substr(arn.rfind('/') + 1), options_.aws,
             context_);
  }

  // What can't be had now may be had later: said, and served with that error until then.
  static void try_out(aws::Role& role) try { role.try_out(); } catch (const Failure& failure) {
    if (failure.exit() == Exit::usage) throw;
    note("holdfast: " + role.name() + ": " + printable(failure.message()));
    if (!failure.advice().empty()) note("  " + failure.advice());
  }

  std::string uri_of(const aws::Role& role) const {
    return "http://" + container_->address() + "/" + role.name();
  }

  std::vector<std::pair<std::string, std::string>> environment() const {
    std::vector<std::pair<std::string, std::string>> out{
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI", uri_of(*roles_.front())},
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file_->path()}};
    if (options_.token_in_environment)
      out.emplace_back("AWS_CONTAINER_AUTHORIZATION_TOKEN", as_text(token_.view()));
    // In a container or on an instance the region is known as well.
    for (const char* region : {"AWS_REGION", "AWS_DEFAULT_REGION"})
      if (std::getenv(region) == nullptr) out.emplace_back(region, region_);
    if (metadata_server_)
      out.emplace_back("AWS_EC2_METADATA_SERVICE_ENDPOINT",
                       "http://" + metadata_server_->address());
    return out;
  }

  void announce() const {
    if (context_.json) {
      json::object roles, shown;
      for (const auto& role : roles_) roles[role->name()] = uri_of(*role);
      shown["roles"] = std::move(roles);
      shown["token_file"] = file_->path();
      if (metadata_server_) shown["imds"] = "http://" + metadata_server_->address();
      print(json::serialize(shown));
    } else {
      // Neither an address nor the name of a file of ours needs quoting; another's name might.
      for (const auto& [name, value] : environment())
        print("export " + name + "=" + quote_command({value}));
      for (const auto& role : roles_) note(role->name() + ": " + uri_of(*role));
    }
    note("serving; put the lines above into the shell of the programs that ask. Ctrl-C stops it.");
  }

  void take_signal(asio::signal_set& signals) {
    signals.async_wait([this, &signals](const boost::system::error_code& error, int number) {
      if (error) return;
      if (!program_)
        number == SIGCHLD ? take_signal(signals) : loop_.stop();
      else if (!program_->running())
        loop_.stop();
      else {
        // The terminal has sent Ctrl-C to the program too.
        if (number != SIGCHLD && number != SIGINT) program_->signal(number);
        take_signal(signals);
      }
    });
  }

  const ServeOptions& options_;
  const Context& context_;
  const Clock clock_;
  Secret token_;
  std::string region_;  // the first role's
  aws::Roles roles_;
  std::optional<aws::TokenFile> file_;
  asio::io_context loop_{1};
  std::optional<aws::MetadataEndpoint> metadata_;
  std::optional<HttpServer> container_, metadata_server_;
  std::optional<Child> program_;
};

}  // namespace

void add_aws_serve_command(CLI::App& aws, Context& context) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* serve = aws.add_subcommand(
      "serve",
      "Serve short-lived credentials on loopback, as containers and EC2 instances get them");
  CLI::Option* profile =
      serve
          ->add_option("--profile", options->profiles,
                       "Instead of --key and so on: a profile that `holdfast aws configure` wrote; "
                       "again for more roles")
          ->type_name("NAME")
          ->allow_extra_args(false);
  for (CLI::Option* other : add_aws_options(*serve, options->aws)) profile->excludes(other);
  serve
      ->add_option("--listen", options->listen,
                   "Where the container endpoint listens (default: a free port)")
      ->type_name("[ADDR:]PORT");
  serve
      ->add_option("--imds", options->metadata,
                   "Also serve the first role as EC2's metadata service does (IMDSv2 alone)")
      ->type_name("[ADDR:]PORT");
  serve
      ->add_option("--token-file", options->token_file,
                   "Make this file for the token (default: one in $XDG_RUNTIME_DIR)")
      ->type_name("FILE");
  auto* command = serve->add_option("CMD", options->command,
                                    "Run this in its environment and end with it (after `--`)");
  serve
      ->add_flag(
          "--token-in-environment", options->token_in_environment,
          "Give CMD the token in AWS_CONTAINER_AUTHORIZATION_TOKEN too, for SDKs that read no file")
      ->needs(command);
  serve->footer(
      "Only programs of the same user are answered, and only with the token.\n\nExamples:\n"
      "  holdfast aws serve --profile orders -- python3 app.py\n"
      "  holdfast aws serve --profile orders --profile billing --listen 9911");
  serve->callback([options, &context] { Serve(*options, context).run(); });
}

}  // namespace holdfast::cli
