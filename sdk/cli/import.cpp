#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/key_document.h"
#include "sdk/cli/key_source.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

struct ImportOptions {
  std::string name, use, device, state = "pending";
  KeySource source;
};

void import_key(const ImportOptions& options, const Context& context) {
  Client client = Client::admin(context.socket);
  json::object fields{{"name", options.name}, {"use", options.use}};
  if (!options.device.empty()) fields["device"] = options.device;
  const ImportRequest request = import_request(std::move(fields), options.source);
  const Reply reply = client.post_secret("/v1/keys/import", request.body);
  remove_plaintext(options.source);
  if (context.json) return print(reply.body);
  print("key " + options.name + " holds " + request.content);
  note_plaintext(options.source, request.content);
  note("next: a grant that lets someone use it, see `holdfast policy --help`");
}

void import_pem(const ImportOptions& options, const Context& context) {
  if (takes_access_key(options.use))
    throw Failure(Exit::usage, options.use + " takes a secret access key, no private key",
                  "see `holdfast key import-aws --help`");
  import_key(options, context);
}

void add_version_to(const ImportOptions& options, const Context& context) {
  Client client = Client::admin(context.socket);
  const std::string use = field(client.get(key_path(options.name)).object(), "use");
  const Reply reply = add_version(client, options.name, use, options.state, options.source);
  if (context.json) return print(reply.body);
  const std::vector<Version> versions = versions_of(reply.object());
  const std::string kid = versions.empty() ? "-" : versions.back().kid;
  print("key " + options.name + " has a new version, " + kid + ", which is " + options.state);
  if (options.source.is_given()) note_plaintext(options.source, "it");
  if (options.state == "pending")
    note(std::string("next: ") +
         (takes_access_key(use)     ? ""
          : use == "roles-anywhere" ? "attach its certificate, then: "
                                    : "publish its public key, then: ") +
         "holdfast key activate " + options.name);
}

void add_name_and_device(CLI::App& command, ImportOptions& options) {
  command.add_option("NAME", options.name, "Name: [a-z0-9][a-z0-9._-]{0,62}")->required();
  command
      .add_option("--device", options.device,
                  "Needed where there are several, see `holdfast health`")
      ->type_name("D");
}

}  // namespace

void add_import_commands(CLI::App& key, Context& context) {
  auto aws = std::make_shared<ImportOptions>();
  aws->use = "sigv4";
  CLI::App* seal = key.add_subcommand("import-aws", "Seal an AWS secret access key");
  add_name_and_device(*seal, *aws);
  seal->add_option("--use", aws->use,
                   "What it signs, for ever: sigv4 (default), or sigv4a for sets of regions")
      ->check(CLI::IsMember({"sigv4", "sigv4a"}))
      ->type_name("U");
  add_aws_source(*seal, aws->source);
  add_plaintext_removal(*seal, aws->source);
  seal->footer(
      "Examples:\n  holdfast key import-aws orders-aws --profile default --remove-plaintext\n"
      "  pass show aws/orders | holdfast key import-aws orders-aws --access-key-id AKIA…\n"
      "  holdfast key import-aws orders-mrap --use sigv4a --profile default");
  seal->callback([aws, &context] { import_key(*aws, context); });

  auto pem = std::make_shared<ImportOptions>();
  CLI::App* private_key = key.add_subcommand("import", "Seal a private key that is in a PEM file");
  add_name_and_device(*private_key, *pem);
  add_pem_source(*private_key, pem->source);
  private_key->get_option("--pem")->required();
  private_key
      ->add_option("--use", pem->use, "What it signs, for ever: jwt, roles-anywhere or digest")
      ->required()
      ->type_name("U");
  add_plaintext_removal(*private_key, pem->source);
  private_key->footer(
      "EC keys on P-256 or P-384, RSA keys of 2048 or 3072 bits. A key that was ever a file may "
      "have\n"
      "been copied: one that `holdfast key create` makes can't have been.\n\n"
      "Examples:\n  holdfast key import github-app --pem app.pem --use jwt --remove-plaintext\n"
      "  pass show orders/key | holdfast key import orders-jwt --pem - --use jwt --kid orders-1");
  private_key->callback([pem, &context] { import_pem(*pem, context); });

  auto options = std::make_shared<ImportOptions>();
  CLI::App* version = key.add_subcommand(
      "add-version",
      "Add a version: a new key, an imported one, or for sigv4 and sigv4a the next secret");
  version->add_option("NAME", options->name, "Key")->required();
  version->add_option("--state", options->state, "pending (default) or active")
      ->check(CLI::IsMember({"pending", "active"}));
  add_aws_source(*version, options->source);
  add_pem_source(*version, options->source);
  add_plaintext_removal(*version, options->source);
  version->footer(
      "`holdfast key rotate` does this and what comes after it.\n\n"
      "Examples:\n  holdfast key add-version build-sign\n"
      "  holdfast key add-version github-app --pem next.pem\n"
      "  holdfast key add-version orders-aws --profile next --state active");
  version->callback([options, &context] { add_version_to(*options, context); });
}

}  // namespace holdfast::cli
