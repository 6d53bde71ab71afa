#include <unistd.h>

#include <iostream>

#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/discovery.h"
#include "sdk/cli/output.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {
namespace {

constexpr std::chrono::seconds kCreation{
    200};  // the daemon's own deadline for a new RSA key is 180 s

struct KeyOptions {
  std::string name, type, use, device;
  std::string version;
  bool names = false, mine = false, pem = false, jwk = false, yes = false;
};

// Administrators see all keys; everybody else what some grant gives them.
Client reading_client(const Context& context, bool mine) {
  if (mine) return Client::application(context.socket);
  const std::string admin = find_admin_socket(context.socket);
  if (access(admin.c_str(), R_OK | W_OK) == 0) return Client::admin(context.socket);
  return Client::application(context.socket);
}

std::string key_path(const std::string& name) {
  return "/v1/keys/" + encode_component(name);
}

const json::array& versions_of(const json::object& key) {
  return key.at("versions").as_array();
}

std::string active_version(const json::object& key) {
  for (const json::value& version : versions_of(key))
    if (field(version.as_object(), "state") == "active")
      return field(version.as_object(), "version");
  return "none";
}

void list_keys(const KeyOptions& options, const Context& context) {
  Client client = reading_client(context, options.mine);
  json::array keys;
  std::string after;
  do {
    const Reply page = client.get("/v1/keys?limit=100" +
                                  (after.empty() ? "" : "&after=" + encode_component(after)));
    for (const json::value& key : page.object().at("keys").as_array()) keys.push_back(key);
    const json::value* next = page.object().if_contains("next");
    after = next && next->is_string() ? std::string(next->as_string()) : "";
  } while (!after.empty());

  if (options.names) {
    for (const json::value& key : keys) print(field(key.as_object(), "name"));
    return;
  }
  if (context.json) return print(json::serialize(json::object{{"keys", std::move(keys)}}));
  if (keys.empty())
    return note("no keys: make one with `holdfast key create` or `holdfast key import-aws`");
  Table table(
      {"NAME", "TYPE", "USE", "DEVICE", "SOFTWARE", "ORIGIN", "ACTIVE", "VERSIONS", "DISABLED"});
  for (const json::value& entry : keys) {
    const json::object& key = entry.as_object();
    table.add({field(key, "name"), field(key, "type"), field(key, "use"), field(key, "device"),
               field(key, "software"), field(key, "origin"), active_version(key),
               std::to_string(versions_of(key).size()), field(key, "disabled")});
  }
  print(table.text());
}

void show_key(const KeyOptions& options, const Context& context) {
  const Reply reply = reading_client(context, options.mine).get(key_path(options.name));
  const json::object& key = reply.object();
  if (options.pem || options.jwk) {
    const json::value* found = key.if_contains(options.pem ? "public_key_pem" : "jwk");
    if (!found || found->is_null())
      throw Failure(Exit::failed, options.name + " has no public key to show",
                    "only asymmetric keys with an active version have one");
    std::string text = options.pem ? std::string(found->as_string()) : json::serialize(*found);
    if (!text.empty() && text.back() == '\n') text.pop_back();
    return print(text);
  }
  if (context.json) return print(reply.body);
  for (const char* name : {"name", "type", "use", "device", "software", "origin", "disabled"})
    print(std::string(name) + std::string(10 - std::string_view(name).size(), ' ') +
          field(key, name));
  Table table({"VERSION", "STATE", "DISABLED", "CREATED", "KID"});
  for (const json::value& entry : versions_of(key)) {
    const json::object& version = entry.as_object();
    table.add({field(version, "version"), field(version, "state"), field(version, "disabled"),
               field(version, "created"), field(version, "kid")});
  }
  print("\n" + table.text());
}

void create_key(const KeyOptions& options, const Context& context) {
  json::object body{{"name", options.name}, {"type", options.type}, {"use", options.use}};
  if (!options.device.empty()) body["device"] = options.device;
  Client client = Client::admin(context.socket);
  client.be_patient(kCreation);
  const Reply reply = client.post("/v1/keys", body);
  if (context.json) return print(reply.body);
  print("key " + field(reply.object(), "name") + " made, version " +
        active_version(reply.object()) + " is active");
  note("next: a grant that lets someone use it, see `holdfast policy --help`");
}

// The version that a person most likely means: the newest pending one to activate, the only one
// that is in `from` to retire.
std::string find_version(Client& client, const std::string& name, const std::string& verb) {
  const std::string from = verb == "activate" ? "pending" : "verifying";
  const Reply reply = client.get(key_path(name));
  std::vector<std::string> found;
  for (const json::value& version : versions_of(reply.object()))
    if (field(version.as_object(), "state") == from)
      found.push_back(field(version.as_object(), "version"));
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
  if (!options.yes && isatty(STDIN_FILENO)) {
    note("This destroys " + options.name +
         " and all its versions; nothing brings it back. Type its name to go on:");
    std::string typed;
    std::getline(std::cin, typed);
    if (typed != options.name)
      throw Failure(Exit::failed, "that is not its name: nothing was deleted");
  }
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
      ->check(CLI::PositiveNumber);
  command->footer(footer);
  command->callback([verb, options, &context] { change_key(verb, *options, context); });
}

}  // namespace

void add_key_commands(CLI::App& app, Context& context) {
  CLI::App* key =
      app.add_subcommand("key", "Make, import, show and retire keys")->require_subcommand(1);
  key->footer(
      "Examples:\n  holdfast key import-aws orders-aws --profile default\n"
      "  holdfast key create build-sign --type ec-p256 --use digest\n  holdfast key list");
  auto options = std::make_shared<KeyOptions>();

  CLI::App* create = key->add_subcommand("create", "Make a key that can't leave its device");
  create->add_option("NAME", options->name, "Name: [a-z0-9][a-z0-9._-]{0,62}")->required();
  create->add_option("--type", options->type, "ec-p256, and what else the device can do")
      ->required()
      ->type_name("T");
  create->add_option("--use", options->use, "What it signs, for ever: digest")
      ->required()
      ->type_name("U");
  create
      ->add_option("--device", options->device,
                   "Needed where there are several, see `holdfast health`")
      ->type_name("D");
  create->footer("Example:\n  holdfast key create build-sign --type ec-p256 --use digest");
  create->callback([options, &context] { create_key(*options, context); });

  add_import_commands(*key, context);

  CLI::App* list =
      key->add_subcommand("list", "All keys (administrators), or those a grant gives you");
  list->add_flag("--mine", options->mine, "Only those that a grant gives you");
  list->add_flag("--names", options->names, "Only the names, one a line");
  list->footer("Example:\n  holdfast key list --mine");
  list->callback([options, &context] { list_keys(*options, context); });

  CLI::App* show = key->add_subcommand("show", "One key, its versions, its public key");
  show->add_option("NAME", options->name, "Key")->required();
  show->add_flag("--mine", options->mine, "As a grant shows it to you");
  auto* pem = show->add_flag("--pem", options->pem, "The active version's public key, PEM");
  show->add_flag("--jwk", options->jwk, "The same as a JSON Web Key")->excludes(pem);
  show->footer("Example:\n  holdfast key show build-sign --pem > build-sign.pem");
  show->callback([options, &context] { show_key(*options, context); });

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
