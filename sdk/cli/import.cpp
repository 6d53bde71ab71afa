#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/credentials.h"
#include "sdk/cli/output.h"
#include "sdk/cli/secret_input.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {
namespace {

struct ImportOptions {
  std::string name, access_key_id, profile, device, state = "pending";
  bool remove_plaintext = false;
};

Credentials take_credentials(const ImportOptions& options) {
  if (options.profile.empty()) {
    if (options.access_key_id.empty())
      throw Failure(
          Exit::usage, "--access-key-id or --profile is missing",
          "give --profile default, or --access-key-id ID and the secret on standard input");
    if (options.access_key_id.starts_with("ASIA"))
      throw Failure(
          Exit::failed,
          "ASIA… are temporary credentials, which expire within hours: nothing worth sealing",
          "import the long-term key (AKIA…) they were made from");
    return {options.access_key_id,
            read_secret("Secret access key of " + options.access_key_id + " (not shown): ")};
  }
  const std::string path = credentials_path();
  const SecretText text = read_credentials_file(path);
  Credentials found = find_credentials({text.data(), text.size()}, options.profile, path);
  if (!options.access_key_id.empty() && options.access_key_id != found.access_key_id)
    throw Failure(Exit::usage,
                  "--access-key-id is " + options.access_key_id + ", but the profile's is " +
                      found.access_key_id,
                  "leave --access-key-id out, or name the right profile");
  check_secret(found.secret_access_key);
  return found;
}

void say_next(const ImportOptions& options, const std::string& access_key_id) {
  const std::string path = options.profile.empty() ? "" : credentials_path();
  if (options.remove_plaintext)
    note("its secret is removed from " + path +
         "; copies elsewhere (backups, other machines) are not");
  else if (!path.empty())
    note("next: remove the plaintext: the line aws_secret_access_key of [" + options.profile +
         "] in " + path);
  else
    note("next: remove every plaintext copy of the secret of " + access_key_id);
  note("next: a grant that lets someone use it, see `holdfast policy --help`");
}

void import_aws(const ImportOptions& options, const Context& context, bool new_version) {
  if (options.remove_plaintext && options.profile.empty())
    throw Failure(Exit::usage, "--remove-plaintext needs --profile",
                  "it edits that profile's credentials file");
  Client client = Client::admin(context.socket);
  const Credentials credentials = take_credentials(options);
  json::object body{{"access_key_id", credentials.access_key_id}};
  std::string target = "/v1/keys/import";
  if (new_version) {
    target = "/v1/keys/" + encode_component(options.name) + "/versions";
    body["state"] = options.state;
  } else {
    body["name"] = options.name;
    body["use"] = "sigv4";
    if (!options.device.empty()) body["device"] = options.device;
  }
  const SecretText request =
      with_secret_field(json::serialize(body), "secret_access_key", credentials.secret_access_key);
  const Reply reply = client.post_secret(target, request);
  if (options.remove_plaintext) remove_plaintext(credentials_path(), options.profile);
  if (context.json) return print(reply.body);
  print("key " + options.name + " holds the secret of " + credentials.access_key_id +
        (new_version ? " in a new version, which is " + options.state : ""));
  say_next(options, credentials.access_key_id);
  if (new_version && options.state == "pending")
    note("next: holdfast key activate " + options.name);
}

void add_version(const ImportOptions& options, const Context& context) {
  Client client = Client::admin(context.socket);
  if (!options.access_key_id.empty() || !options.profile.empty())
    return import_aws(options, context, true);
  const std::string path = "/v1/keys/" + encode_component(options.name);
  if (field(client.get(path).object(), "use") == "sigv4")
    throw Failure(Exit::usage,
                  options.name + " is an imported key: its new version has to be given",
                  "add --profile P, or --access-key-id ID and the secret on standard input");
  client.be_patient(std::chrono::seconds(200));
  const Reply reply = client.post(path + "/versions", {{"state", options.state}});
  if (context.json) return print(reply.body);
  print("key " + options.name + " has a new version, which is " + options.state);
  if (options.state == "pending")
    note("next: publish its public key, then: holdfast key activate " + options.name);
}

void add_source(CLI::App& command, ImportOptions& options) {
  command
      .add_option("--access-key-id", options.access_key_id,
                  "AKIA…; with --profile taken from there")
      ->type_name("ID");
  command
      .add_option(
          "--profile", options.profile,
          "Profile of ~/.aws/credentials (or $AWS_SHARED_CREDENTIALS_FILE); else the secret is "
          "read from standard input")
      ->type_name("P");
  command.add_flag("--remove-plaintext", options.remove_plaintext,
                   "Then take the profile's secret out of the credentials file");
}

}  // namespace

void add_import_commands(CLI::App& key, Context& context) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* seal = key.add_subcommand("import-aws", "Seal an AWS secret access key");
  seal->add_option("NAME", options->name, "Name: [a-z0-9][a-z0-9._-]{0,62}")->required();
  seal->add_option("--device", options->device,
                   "Needed where there are several, see `holdfast health`")
      ->type_name("D");
  add_source(*seal, *options);
  seal->footer(
      "Examples:\n  holdfast key import-aws orders-aws --profile default --remove-plaintext\n"
      "  pass show aws/orders | holdfast key import-aws orders-aws --access-key-id AKIA…");
  seal->callback([options, &context] { import_aws(*options, context, false); });

  CLI::App* version =
      key.add_subcommand("add-version", "Add a version: a new key, or for sigv4 the next secret");
  version->add_option("NAME", options->name, "Key")->required();
  version->add_option("--state", options->state, "pending (default) or active")
      ->check(CLI::IsMember({"pending", "active"}));
  add_source(*version, *options);
  version->footer(
      "Examples:\n  holdfast key add-version build-sign\n"
      "  holdfast key add-version orders-aws --profile next --state active");
  version->callback([options, &context] { add_version(*options, context); });
}

}  // namespace holdfast::cli
