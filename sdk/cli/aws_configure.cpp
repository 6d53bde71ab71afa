// `holdfast aws configure`: a profile whose credentials come from `holdfast aws credential-process`.
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "daemon/base/posix.h"
#include "sdk/cli/aws_file.h"
#include "sdk/cli/aws_options.h"
#include "sdk/cli/aws_profile.h"
#include "sdk/cli/credentials.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kMaxFile = 1024 * 1024;

struct ConfigureOptions {
  AwsOptions aws;
  std::string profile;
  bool force = false, dry_run = false;
};

struct File {
  std::string path;
  std::string text;
  unsigned mode = 0600;
};

// The file itself, where ~/.aws/config is a link to it.
File read_config() {
  File file{aws_path("AWS_CONFIG_FILE", "config"), {}};
  if (std::filesystem::exists(file.path))
    file.path = std::filesystem::canonical(file.path).string();
  struct stat info {};
  if (::stat(file.path.c_str(), &info) != 0) {
    if (errno == ENOENT) return file;
    throw_errno(ErrorKind::internal, file.path);
  }
  file.text = read_file(file.path, kMaxFile);
  file.mode = info.st_mode & 07777;
  return file;
}

Settings settings_of(const ConfigureOptions& options, const Context& context) {
  std::vector<std::string> words{std::filesystem::read_symlink("/proc/self/exe").string(), "aws",
                                 "credential-process"};
  for (std::string& word : as_arguments(options.aws, context)) words.push_back(std::move(word));
  return {{"credential_process", quote_command(words)},
          {"region", read_request(options.aws, context).region}};
}

void warn_of_others(const std::string& text, const std::string& profile) {
  for (const std::string& name : outranking(text, profile))
    note("holdfast: the profile also has " + name +
         ", which SDKs take before credential_process: remove it");
  const std::string path = credentials_path();
  if (!std::filesystem::exists(path)) return;
  const SecretText credentials = read_credentials_file(path);
  bool there = false;
  each_line({credentials.data(), credentials.size()}, [&](const AwsLine& line) {
    there = there || (line.profile == profile && line.name == "aws_access_key_id");
  });
  if (there)
    note("holdfast: " + path + " also has a key of the profile " + profile +
         ", which SDKs take before credential_process: remove it");
}

void configure(const ConfigureOptions& options, const Context& context) {
  const Settings settings = settings_of(options, context);
  const std::string section = profile_section(options.profile, settings);
  if (options.dry_run) return print(section.substr(0, section.size() - 1));
  const File file = read_config();
  if (has_profile(file.text, options.profile) && !options.force)
    throw Failure(Exit::failed, file.path + " has a profile " + options.profile + " already",
                  "choose another name, or replace its credential_process and region with --force");
  const std::filesystem::path folder = std::filesystem::path(file.path).parent_path();
  if (!folder.empty()) ::mkdir(folder.c_str(), 0700);
  const std::string text = with_profile(file.text, options.profile, settings);
  replace_file(file.path, text, file.mode);
  ::chmod(file.path.c_str(), file.mode);  // whatever the umask is
  warn_of_others(text, options.profile);
  print("profile " + options.profile + " is in " + file.path +
        "; try it:\n  AWS_PROFILE=" + options.profile + " aws sts get-caller-identity");
}

}  // namespace

void add_aws_configure_command(CLI::App& aws, Context& context) {
  auto options = std::make_shared<ConfigureOptions>();
  CLI::App* configure_command = aws.add_subcommand(
      "configure", "Write a profile for SDKs and the AWS CLI into ~/.aws/config");
  configure_command->add_option("--profile", options->profile, "The profile's name")
      ->required()
      ->type_name("NAME");
  add_aws_options(*configure_command, options->aws);
  configure_command->add_flag("--force", options->force,
                              "Replace what the profile has of credential_process and region");
  configure_command->add_flag("--dry-run", options->dry_run, "Print the profile, write nothing");
  configure_command->footer(
      "The file is $AWS_CONFIG_FILE, else ~/.aws/config; everything else in it stays as it is.\n\n"
      "Example:\n"
      "  holdfast aws configure --profile orders --key orders-aws --region eu-west-1");
  configure_command->callback([options, &context] { configure(*options, context); });
}

}  // namespace holdfast::cli
