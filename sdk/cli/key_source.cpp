#include "sdk/cli/key_source.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sdk/cli/credentials.h"
#include "sdk/cli/failure.h"
#include "sdk/cli/key_document.h"
#include "sdk/cli/output.h"
#include "sdk/cli/private_key.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kMaxPem = 64 * 1024;
// The daemon's own deadline for a new RSA key is 180 s.
constexpr std::chrono::seconds kCreation{200};

Credentials take_credentials(const KeySource& source) {
  if (source.profile.empty()) {
    if (source.access_key_id.empty())
      throw Failure(
          Exit::usage, "--access-key-id or --profile is missing",
          "give --profile default, or --access-key-id ID and the secret on standard input");
    if (source.access_key_id.starts_with("ASIA"))
      throw Failure(
          Exit::failed,
          "ASIA… are temporary credentials, which expire within hours: nothing worth sealing",
          "import the long-term key (AKIA…) they were made from");
    return {source.access_key_id,
            read_secret("Secret access key of " + source.access_key_id + " (not shown): ")};
  }
  const std::string path = credentials_path();
  const SecretText text = read_credentials_file(path);
  Credentials found = find_credentials({text.data(), text.size()}, source.profile, path);
  if (!source.access_key_id.empty() && source.access_key_id != found.access_key_id)
    throw Failure(Exit::usage,
                  "--access-key-id is " + source.access_key_id + ", but the profile's is " +
                      found.access_key_id,
                  "leave --access-key-id out, or name the right profile");
  check_secret(found.secret_access_key);
  return found;
}

// The whole file goes, so nothing else may be in it.
void require_removable(const std::string& path, std::string_view text) {
  if (path == "-")
    throw Failure(Exit::usage, "--remove-plaintext needs a file",
                  "leave it out, or give --pem FILE");
  const std::string by_hand = "leave --remove-plaintext out, and remove the private key by hand";
  require_sole_copy(path, by_hand);
  for (const std::string& label : pem_labels(text))
    if (!label.ends_with("PRIVATE KEY") && label != "EC PARAMETERS")
      throw Failure(Exit::failed, path + " also holds a " + printable(label), by_hand);
  if (has_text_beside_pem(text))
    throw Failure(Exit::failed, path + " also holds text that is no part of the key", by_hand);
}

Secret take_private_key(const KeySource& source) {
  const SecretText file =
      read_secret_file(source.pem, kMaxPem, "name the file with the private key: --pem FILE");
  const std::string_view text(file.data(), file.size());
  const std::string where = source.pem == "-" ? "standard input" : source.pem;
  if (source.remove_plaintext) require_removable(source.pem, text);
  return unencrypted_pkcs8(text, where, [&] {
    return read_passphrase("Passphrase of " + where + " (not shown): ", source.passphrase_file);
  });
}

}  // namespace

bool takes_access_key(std::string_view use) {
  return use == "sigv4" || use == "sigv4a";
}

void add_aws_source(CLI::App& command, KeySource& source) {
  command
      .add_option("--access-key-id", source.access_key_id, "AKIA…; with --profile taken from there")
      ->type_name("ID");
  command
      .add_option(
          "--profile", source.profile,
          "Profile of ~/.aws/credentials (or $AWS_SHARED_CREDENTIALS_FILE); else the secret is "
          "read from standard input")
      ->type_name("P");
}

void add_pem_source(CLI::App& command, KeySource& source) {
  CLI::Option* pem = command
                         .add_option("--pem", source.pem,
                                     "Private key in PEM: PKCS#8, SEC1 or PKCS#1, also encrypted "
                                     "('-': standard input)")
                         ->type_name("FILE");
  command
      .add_option("--kid", source.kid,
                  "Its kid in tokens and JWK Sets (default: the JWK thumbprint)")
      ->needs(pem)
      ->type_name("ID");
  command
      .add_option("--passphrase-file", source.passphrase_file,
                  "Its first line is the passphrase; else the terminal is asked")
      ->needs(pem)
      ->type_name("FILE");
}

void add_plaintext_removal(CLI::App& command, KeySource& source) {
  command.add_flag("--remove-plaintext", source.remove_plaintext,
                   "Then remove the plaintext: the profile's secret, or the PEM file");
}

ImportRequest import_request(json::object fields, const KeySource& source) {
  if (source.remove_plaintext && source.profile.empty() && source.pem.empty())
    throw Failure(Exit::usage, "--remove-plaintext needs --profile or --pem",
                  "it removes what was read there");
  if (source.is_aws() && !source.pem.empty())
    throw Failure(Exit::usage, "--pem does not go with --profile or --access-key-id",
                  "the uses sigv4 and sigv4a take a secret access key, the others a private key");
  if (source.pem.empty()) {
    const Credentials credentials = take_credentials(source);
    fields["access_key_id"] = credentials.access_key_id;
    return {with_secret_field(json::serialize(fields), "secret_access_key",
                              credentials.secret_access_key),
            "the secret of " + credentials.access_key_id};
  }
  if (!source.kid.empty()) fields["kid"] = source.kid;
  const Secret key = take_private_key(source);
  return {with_secret_field(json::serialize(fields), "private_key_pem", key),
          "the private key of " + (source.pem == "-" ? "standard input" : source.pem)};
}

void remove_plaintext(const KeySource& source) {
  if (!source.remove_plaintext) return;
  if (source.pem.empty()) return remove_plaintext(credentials_path(), source.profile);
  if (::unlink(source.pem.c_str()) != 0)
    throw Failure(
        Exit::failed,
        "the key is imported, but can't remove " + source.pem + ": " + std::strerror(errno),
        "remove it by hand");
}

void note_plaintext(const KeySource& source, const std::string& content) {
  const std::string path = !source.pem.empty()       ? source.pem
                           : !source.profile.empty() ? credentials_path()
                                                     : "";
  if (source.remove_plaintext)
    note("its plaintext is removed from " + path +
         "; copies elsewhere (backups, other machines) are not");
  else if (!source.profile.empty())
    note("next: remove the plaintext: the line aws_secret_access_key of [" + source.profile +
         "] in " + path);
  else
    note("next: remove every plaintext copy of " + content);
}

Reply add_version(Client& client, const std::string& name, const std::string& use,
                  const std::string& state, const KeySource& source) {
  const bool aws = takes_access_key(use);
  if (aws && !source.is_aws())
    throw Failure(Exit::usage, name + " is an imported key: its new version has to be given",
                  "add --profile P, or --access-key-id ID and the secret on standard input");
  if (!aws && source.is_aws())
    throw Failure(Exit::usage, name + " is of the use " + use + ": it takes no access key",
                  "add --pem FILE to import a private key, or nothing to have one made");
  const std::string target = key_path(name) + "/versions";
  if (!source.is_given()) {
    client.be_patient(kCreation);
    return client.post(target, {{"state", state}});
  }
  const ImportRequest request = import_request({{"state", state}}, source);
  Reply reply = client.post_secret(target, request.body);
  remove_plaintext(source);
  return reply;
}

}  // namespace holdfast::cli
