// Where the secret of an imported key, or of a further version of one, comes from.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "sdk/cli/client.h"
#include "sdk/cli/secret_input.h"

namespace holdfast::cli {

struct KeySource {
  std::string access_key_id, profile;     // of the uses sigv4 and sigv4a
  std::string pem, kid, passphrase_file;  // of the others
  bool remove_plaintext = false;

  bool is_aws() const { return !access_key_id.empty() || !profile.empty(); }
  bool is_given() const { return is_aws() || !pem.empty(); }
};

// Is a key of this use made of an AWS access key?
bool takes_access_key(std::string_view use);

// The options of one or both kinds; --remove-plaintext goes with either.
void add_aws_source(CLI::App& command, KeySource& source);
void add_pem_source(CLI::App& command, KeySource& source);
void add_plaintext_removal(CLI::App& command, KeySource& source);

struct ImportRequest {
  SecretText body;
  std::string content;  // "the secret of AKIA…", for messages
};

// `fields` and the secret. Asks for what has to be typed. Throws Failure, also where the plaintext
// is to be removed and can't be.
ImportRequest import_request(json::object fields, const KeySource& source);

// Once the daemon has the secret: takes its plaintext away if that was asked for.
void remove_plaintext(const KeySource& source);
// What is left to do about the plaintext, on standard error.
void note_plaintext(const KeySource& source, const std::string& content);

// A new version in the state `state` of a key of the use `use`: from `source` if one is given, else
// made by the device. Throws Failure where use and source don't go together.
Reply add_version(Client& client, const std::string& name, const std::string& use,
                  const std::string& state, const KeySource& source);

}  // namespace holdfast::cli
