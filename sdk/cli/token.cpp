#include "daemon/base/clock.h"
#include "sdk/cli/claims.h"
#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/output.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {
namespace {

struct TokenOptions {
  std::string key, ttl = "5m", issuer, subject, typ, algorithm;
  std::vector<std::string> audience, claims, claim_texts;
};

struct JwksOptions {
  std::string key;
  bool mine = false;
};

std::int64_t whole_seconds(const std::string& text) {
  const auto time = parse_duration(text);
  if (!time || time->count() % 1000 != 0)
    throw Failure(Exit::usage, "--ttl: no time in whole seconds: " + text,
                  "write 30s, 5m, 12h or 7d");
  return time->count() / 1000;
}

json::value audience_of(const std::vector<std::string>& given) {
  if (given.size() == 1) return json::string(given.front());
  return json::array(given.begin(), given.end());
}

void mint(const TokenOptions& options, const Context& context) {
  json::object body{{"key", options.key},
                    {"audience", audience_of(options.audience)},
                    {"ttl", whole_seconds(options.ttl)}};
  const std::initializer_list<std::pair<const char*, const std::string&>> texts{
      {"issuer", options.issuer},
      {"subject", options.subject},
      {"typ", options.typ},
      {"algorithm", options.algorithm}};
  for (const auto& [name, value] : texts)
    if (!value.empty()) body[name] = value;
  json::object claims = read_claims(options.claims, options.claim_texts);
  if (!claims.empty()) body["claims"] = std::move(claims);
  const Reply reply = Client::application(context.socket).post("/v1/token/jwt", body);
  print(context.json ? std::string_view(reply.body)
                     : std::string_view(reply.object().at("token").as_string()));
}

void show_jwks(const JwksOptions& options, const Context& context) {
  const std::string query = options.key.empty() ? "" : "?key=" + encode_component(options.key);
  const Reply reply = Client::reading(context.socket, options.mine).get("/v1/jwks" + query);
  print(reply.body);
  if (!options.key.empty() && reply.object().at("keys").as_array().empty())
    note("holdfast: the set is empty: there is no key " + printable(options.key) +
         " of the use jwt, no grant gives it to you, or it is disabled");
}

CLI::Option* add_list(CLI::App& command, const std::string& name, std::vector<std::string>& list,
                      const std::string& help) {
  return command.add_option(name, list, help)->allow_extra_args(false);
}

}  // namespace

void add_token_commands(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("token", "Mint a short-lived token")->require_subcommand(1);
  group->footer(
      "Example:\n  curl -H \"Authorization: Bearer $(holdfast token jwt --key orders-jwt \\\n"
      "      --audience https://api.example.com)\" https://api.example.com/orders");
  auto options = std::make_shared<TokenOptions>();
  CLI::App* jwt = group->add_subcommand("jwt", "A JSON Web Token, alone on standard output");
  jwt->add_option("--key", options->key, "Key to sign with, of the use jwt")
      ->required()
      ->type_name("K");
  add_list(*jwt, "--audience", options->audience, "Whom it is for (aud); may be repeated")
      ->required()
      ->type_name("A");
  jwt->add_option("--ttl", options->ttl, "How long it is good for: 30s, 5m, 12h (default: 5m)")
      ->type_name("TIME");
  add_list(*jwt, "--claim", options->claims, "A claim, its value as JSON; may be repeated")
      ->type_name("NAME=JSON");
  add_list(*jwt, "--claim-text", options->claim_texts, "A claim that is a text; may be repeated")
      ->type_name("NAME=TEXT");
  jwt->add_option("--issuer", options->issuer, "Its issuer (iss), where the grant forces none")
      ->type_name("I");
  jwt->add_option("--subject", options->subject, "Its subject (sub), where the grant forces none")
      ->type_name("S");
  jwt->add_option("--typ", options->typ, "The header's typ, such as at+jwt (default: JWT)")
      ->type_name("TYP");
  jwt->add_option("--algorithm", options->algorithm,
                  "ES256, ES384, RS256, PS256 or EdDSA (default: the key's own, for RSA RS256)")
      ->type_name("ALG");
  jwt->footer(
      "Examples:\n"
      "  curl -H \"Authorization: Bearer $(holdfast token jwt --key orders-jwt \\\n"
      "      --audience https://api.example.com)\" https://api.example.com/orders\n"
      "  holdfast token jwt --key orders-jwt --audience https://api.example.com --ttl 30s \\\n"
      "      --claim-text scope=read --claim 'roles=[\"clerk\",\"auditor\"]' --claim admin=false");
  jwt->callback([options, &context] { mint(*options, context); });

  auto shown = std::make_shared<JwksOptions>();
  CLI::App* jwks = app.add_subcommand(
      "jwks", "The JWK Set of the published public keys, for those who verify tokens");
  jwks->add_option("--key", shown->key, "Only this key's")->type_name("K");
  jwks->add_flag("--mine", shown->mine, "Only of keys that a grant gives you");
  jwks->footer(
      "Of all keys of the use jwt (administrators), or of those that a grant gives you: versions\n"
      "that are pending, active or verifying, and not disabled.\n\n"
      "Example:\n  holdfast jwks --key orders-jwt > jwks.json");
  jwks->callback([shown, &context] { show_jwks(*shown, context); });
}

}  // namespace holdfast::cli
