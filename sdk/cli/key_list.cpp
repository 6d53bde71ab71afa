// What there is: `key list` and `key show`.
#include "daemon/base/clock.h"
#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/key_document.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

struct ListOptions {
  std::string name;
  bool names = false, mine = false, pem = false, jwk = false;
};

json::array fetch_all(Client& client) {
  json::array keys;
  std::string after;
  do {
    const Reply page = client.get("/v1/keys?limit=100" + after);
    for (const json::value& key : page.object().at("keys").as_array()) keys.push_back(key);
    const json::value* next = page.object().if_contains("next");
    after = next && next->is_string() ? "&after=" + std::string(next->as_string()) : "";
  } while (!after.empty());
  return keys;
}

// What keeps it, or one of its versions, from signing.
std::string trouble(const json::object& key) {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  if (field(key, "damage") != "-") add("damaged: " + field(key, "damage"));
  if (is_set(key, "disabled")) add("disabled");
  for (const Version& version : versions_of(key)) {
    if (version.state == "retired") continue;
    if (version.lost) add("version " + version.number + " lost");
    if (version.disabled) add("version " + version.number + " disabled");
    if (version.state != "active") continue;
    if (field(key, "use") == "roles-anywhere" && version.certificate.empty())
      add("version " + version.number + " has no certificate");
    // RFC 3339 in UTC, all of one length: in the order of time.
    if (!version.certificate.empty() &&
        field(version.certificate, "not_after") < to_rfc3339(std::chrono::system_clock::now()))
      add("its certificate has expired");
  }
  return out;
}

// Until when the active version has one.
std::string certificate_end(const json::object& key) {
  for (const Version& version : versions_of(key))
    if (version.state == "active" && !version.certificate.empty())
      return field(version.certificate, "not_after");
  return "-";
}

void list_keys(const ListOptions& options, const Context& context) {
  Client client = Client::reading(context.socket, options.mine);
  json::array keys = fetch_all(client);
  if (options.names) {
    for (const json::value& key : keys) print(field(key.as_object(), "name"));
    return;
  }
  if (context.json) return print(json::serialize(json::object{{"keys", std::move(keys)}}));
  if (keys.empty())
    return note(
        "no keys: make one with `holdfast key create`, `holdfast key import` or "
        "`holdfast key import-aws`");
  Table table({"NAME", "TYPE", "USE", "DEVICE", "SOFTWARE", "ORIGIN", "VERIFY", "ACTIVE", "PENDING",
               "VERIFYING", "CERTIFICATE", "TROUBLE"});
  for (const json::value& entry : keys) {
    const json::object& key = entry.as_object();
    table.add({field(key, "name"), field(key, "type"), field(key, "use"), field(key, "device"),
               field(key, "software"), field(key, "origin"), field(key, "verify"),
               numbers_in(key, "active"), numbers_in(key, "pending"), numbers_in(key, "verifying"),
               certificate_end(key), trouble(key)});
  }
  print(table.text());
}

void print_public_key(const json::object& key, const ListOptions& options) {
  const json::value* found = key.if_contains(options.pem ? "public_key_pem" : "jwk");
  if (!found || found->is_null())
    throw Failure(Exit::failed, options.name + " has no public key to show",
                  "only asymmetric keys with an active version have one");
  std::string text = options.pem ? std::string(found->as_string()) : json::serialize(*found);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  print(text);
}

void show_key(const ListOptions& options, const Context& context) {
  const Reply reply = Client::reading(context.socket, options.mine).get(key_path(options.name));
  const json::object& key = reply.object();
  if (options.pem || options.jwk) return print_public_key(key, options);
  if (context.json) return print(reply.body);
  for (const char* name :
       {"name", "type", "use", "device", "software", "origin", "verify", "disabled", "damage"})
    if (key.contains(name))
      print(std::string(name) + std::string(10 - std::string_view(name).size(), ' ') +
            field(key, name));
  Table table({"VERSION", "STATE", "DISABLED", "LOST", "CREATED", "KID"});
  Table certificates({"VERSION", "CERTIFICATE OF", "ISSUED BY", "SERIAL", "FROM", "UNTIL"});
  bool certified = false;
  const std::vector<Version> versions = versions_of(key);
  for (const Version& version : versions) {
    table.add({version.number, version.state, version.disabled ? "yes" : "no",
               version.lost ? "yes" : "no", version.created, version.kid});
    const json::object& certificate = version.certificate;
    if (certificate.empty()) continue;
    certified = true;
    certificates.add({version.number, field(certificate, "subject"), field(certificate, "issuer"),
                      field(certificate, "serial"), field(certificate, "not_before"),
                      field(certificate, "not_after")});
  }
  if (!versions.empty()) print("\n" + table.text());
  if (certified) print("\n" + certificates.text());
}

}  // namespace

void add_key_list_commands(CLI::App& key, Context& context) {
  auto options = std::make_shared<ListOptions>();
  CLI::App* list =
      key.add_subcommand("list", "All keys (administrators), or those a grant gives you");
  list->add_flag("--mine", options->mine, "Only those that a grant gives you");
  list->add_flag("--names", options->names, "Only the names, one a line");
  list->footer("Example:\n  holdfast key list --mine");
  list->callback([options, &context] { list_keys(*options, context); });

  CLI::App* show = key.add_subcommand("show", "One key, its versions, its public key");
  show->add_option("NAME", options->name, "Key")->required();
  show->add_flag("--mine", options->mine, "As a grant shows it to you");
  auto* pem = show->add_flag("--pem", options->pem, "The active version's public key, PEM");
  show->add_flag("--jwk", options->jwk, "The same as a JSON Web Key")->excludes(pem);
  show->footer("Example:\n  holdfast key show build-sign --pem > build-sign.pem");
  show->callback([options, &context] { show_key(*options, context); });
}

}  // namespace holdfast::cli
