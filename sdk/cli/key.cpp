#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/key_document.h"
#include "sdk/cli/output.h"
#include "sdk/cli/question.h"

namespace holdfast::cli {
namespace {

constexpr std::chrono::seconds kCreation{
    200};  // the daemon's own deadline for a new RSA key is 180 s

struct KeyOptions {
  std::string name, type, use, device, uri;
  std::string version;
  bool yes = false;
};

void create_key(const KeyOptions& options, const Context& context) {
  json::object body{{"name", options.name}, {"type", options.type}, {"use", options.use}};
  if (!options.device.empty()) body["device"] = options.device;
  Client client = Client::admin(context.socket);
  client.be_patient(kCreation);
  const Reply reply = client.post("/v1/keys", body);
  if (context.json) return print(reply.body);
  print("key " + field(reply.object(), "name") + " made, version " +
        numbers_in(reply.object(), "active") + " is active");
  note(options.use == "roles-anywhere"
           ? "next: a certificate, see `holdfast key csr --help`"
           : "next: a grant that lets someone use it, see `holdfast policy --help`");
}

void enrol_key(const KeyOptions& options, const Context& context) {
  json::object body{{"name", options.name}, {"use", options.use}, {"uri", options.uri}};
  if (!options.device.empty()) body["device"] = options.device;
  const Reply reply = Client::admin(context.socket).post("/v1/keys/enrol", body);
  if (context.json) return print(reply.body);
  print("key " + field(reply.object(), "name") + " is the " + field(reply.object(), "type") +
        " key that was on " + field(reply.object(), "device"));
  if (field(reply.object(), "origin") == "imported")
    note("its device does not say that it was made there and never left: copies may exist");
  note("next: a grant that lets someone use it, see `holdfast policy --help`");
}

// The version that a person most likely means: the newest pending one to activate, the only one
// that is in `from` to retire.
std::string find_version(Client& client, const std::string& name, const std::string& verb) {
  const std::string from = verb == "activate" ? "pending" : "verifying";
  const Reply reply = client.get(key_path(name));
  std::vector<std::string> found;
  for (const Version& version : versions_of(reply.object()))
    if (version.state == from) found.push_back(version.number);
  if (found.empty() || (verb == "retire" && found.size() > 1))
    throw Failure(
        Exit::failed,
        name + " has " + (found.empty() ? "no" : "more than one") + " version that is " + from,
        "name the version: holdfast key " + verb + " " + name + " VERSION");
  return found.back();
}

void change_key(const std::string& verb, const KeyOptions& options, const Context& context) {
  Client client = Client::admin(context.socket);
  std::string version = options.version;
  if (version.empty() && (verb == "activate" || verb == "retire"))
    version = find_version(client, options.name, verb);
  const std::string path =
      key_path(options.name) + (version.empty() ? "" : "/versions/" + version) + "/" + verb;
  const Reply reply = client.post(path, {});
  if (context.json) return print(reply.body);
  static const std::map<std::string, std::string> kDone{{"activate", "active"},
                                                        {"retire", "retired"},
                                                        {"disable", "disabled"},
                                                        {"enable", "enabled"}};
  print(options.name + (version.empty() ? "" : " version " + version) + " is " + kDone.at(verb));
}

void delete_key(const KeyOptions& options, const Context& context) {
  if (!options.yes)
    require_answer(
        "This destroys " + options.name + " and all its versions; nothing brings it back.",
        "Type its name to go on:", options.name, "that is not its name: nothing was deleted");
  const Reply reply = Client::admin(context.socket).remove(key_path(options.name));
  if (context.json) return print(reply.body.empty() ? "{}" : reply.body);
  print(options.name + " is deleted");
}

void add_change(CLI::App& key, const std::string& verb, const std::string& help,
                const std::string& footer, Context& context) {
  auto options = std::make_shared<KeyOptions>();
  CLI::App* command = key.add_subcommand(verb, help);
  command->add_option("NAME", options->name, "Key")->required();
  command->add_option("VERSION", options->version, "Number of the version")
      ->check(CLI::Range(1, 500));
  command->footer(footer);
  command->callback([verb, options, &context] { change_key(verb, *options, context); });
}

}  // namespace

void add_key_commands(CLI::App& app, Context& context) {
  CLI::App* key =
      app.add_subcommand("key", "Make, import, show and retire keys")->require_subcommand(1);
  key->footer(
      "Examples:\n  holdfast key import-aws orders-aws --profile default\n"
      "  holdfast key create orders-jwt --type ec-p256 --use jwt\n"
      "  holdfast key import github-app --pem app.pem --use jwt\n"
      "  holdfast key list");
  auto options = std::make_shared<KeyOptions>();

  CLI::App* create = key->add_subcommand("create", "Make a key that can't leave its device");
  create->add_option("NAME", options->name, "Name: [a-z0-9][a-z0-9._-]{0,62}")->required();
  create
      ->add_option(
          "--type", options->type,
          "ec-p256, ec-p384, rsa-2048, rsa-3072 or ed25519 (tokens only), as far as the device can")
      ->required()
      ->type_name("T");
  create
      ->add_option(
          "--use", options->use,
          "What it signs, for ever: jwt (tokens), roles-anywhere (sessions of AWS), digest "
          "(anything, unseen) or audit (the log's checkpoints)")
      ->required()
      ->type_name("U");
  create
      ->add_option("--device", options->device,
                   "Needed where there are several, see `holdfast health`")
      ->type_name("D");
  create->footer(
      "Examples:\n  holdfast key create orders-jwt --type ec-p256 --use jwt\n"
      "  holdfast key create build-sign --type rsa-3072 --use digest");
  create->callback([options, &context] { create_key(*options, context); });

  CLI::App* enrol = key->add_subcommand("enrol", "Use a key that is on an HSM already");
  enrol->add_option("NAME", options->name, "Name: [a-z0-9][a-z0-9._-]{0,62}")->required();
  enrol
      ->add_option(
          "--uri", options->uri,
          "Its PKCS#11 URI (RFC 7512), without a PIN: pkcs11:object=LABEL or pkcs11:id=%01")
      ->required()
      ->type_name("URI");
  enrol->add_option("--use", options->use, "What it signs, for ever: jwt, roles-anywhere or digest")
      ->required()
      ->type_name("U");
  enrol
      ->add_option("--device", options->device,
                   "Needed where there are several, see `holdfast health`")
      ->type_name("D");
  enrol->footer(
      "The key stays as it is, and stays on the HSM when it is deleted here. One that could leave "
      "the\n"
      "HSM (CKA_EXTRACTABLE, or not CKA_SENSITIVE) is refused.\n\n"
      "Example:\n  holdfast key enrol release --uri 'pkcs11:object=release-2025' --use digest");
  enrol->callback([options, &context] { enrol_key(*options, context); });

  add_import_commands(*key, context);

  add_key_list_commands(*key, context);

  add_rotate_command(*key, context);

  add_certificate_commands(*key, context);

  add_change(*key, "activate",
             "Sign with this version from now on (default: the newest pending one)",
             "Example:\n  holdfast key activate orders-aws 2", context);
  add_change(*key, "retire", "End a version for good (default: the one that is verifying)",
             "Example:\n  holdfast key retire orders-aws 1", context);
  add_change(*key, "disable", "Stop a key, or one version, at once; `enable` undoes it",
             "Example:\n  holdfast key disable orders-aws", context);
  add_change(*key, "enable", "Undo `disable`", "Example:\n  holdfast key enable orders-aws",
             context);

  CLI::App* remove = key->add_subcommand("delete", "Destroy a key and all its versions");
  remove->add_option("NAME", options->name, "Key")->required();
  remove->add_flag("--yes", options->yes, "Don't ask on a terminal");
  remove->footer("Example:\n  holdfast key delete build-sign");
  remove->callback([options, &context] { delete_key(*options, context); });
}

}  // namespace holdfast::cli
