#include "daemon/config/device.h"

#include <algorithm>
#include <array>

#include "daemon/base/log.h"

namespace holdfast::config {
namespace {

constexpr std::int64_t kMostSessions = 64;
constexpr std::size_t kMostUriBytes = 2048;
constexpr std::size_t kMostVariables = 32;
constexpr std::size_t kMostValueBytes = 4096;

// Attributes that name a token for good: a slot's number is another after the next start.
constexpr std::array<std::string_view, 4> kOfTokens{"token", "serial", "manufacturer", "model"};

// TPM 2.0 NV indices that are the owner's to give (TCG Registry of Reserved TPM 2.0 Handles §2.2.2).
constexpr std::int64_t kFirstOwnerIndex = 0x01800000;
constexpr std::int64_t kLastOwnerIndex = 0x01BFFFFF;

// What would load code of others' choosing into the process, or is ours to set.
constexpr std::array<std::string_view, 8> kNotForModules{"LD_",
                                                         "GCONV_PATH",
                                                         "GLIBC_",
                                                         "MALLOC_",
                                                         "OPENSSL_",
                                                         "PATH=",
                                                         "CREDENTIALS_DIRECTORY",
                                                         "JOURNAL_STREAM"};

void read_tpm(Table& table, Device& device) {
  device.tcti = table.required_text("tcti");
  if (device.tcti.empty() || has_control(device.tcti))
    table.fail("tcti", "has to say how the TPM is reached, such as \"device:/dev/tpmrm0\"");
  // tpm2-tss would choose a node, and the process may open only the one that it was given.
  if (device.tcti == "device" || device.tcti == "device:")
    table.fail("tcti", "has to name the TPM's node: \"device:/dev/tpmrm0\"");
  device.sessions = table.choice("sessions", {"encrypted", "plain"}).value_or(device.sessions);
  if (const auto index = table.integer("anchor_index", 0, kLastOwnerIndex)) {
    if (*index != 0 && *index < kFirstOwnerIndex)
      table.fail("anchor_index",
                 "has to be an NV index of the TPM's owner, 0x01800000 to 0x01BFFFFF, or 0 for no "
                 "counter");
    device.anchor_index = static_cast<std::uint32_t>(*index);
  }
}

// RFC 7512 §2.3: "pk11-path" and, behind a '?', "pk11-query".
std::string token_uri(Table& table) {
  const std::string uri = table.required_text("uri");
  constexpr std::string_view scheme = "pkcs11:";
  if (uri.find("pin-value") != std::string::npos || uri.find("pin-source") != std::string::npos)
    table.fail("uri", "has a PIN in it, or where it is: give pin_credential or pin_file instead");
  if (!uri.starts_with(scheme) || uri.size() > kMostUriBytes || has_control(uri))
    table.fail("uri", "has to be the token's PKCS#11 URI, such as \"pkcs11:token=holdfast\"");
  if (uri.find('?') != std::string::npos)
    table.fail("uri", "has a query, from '?' on: leave it out, for module says which module");
  std::string_view rest = std::string_view(uri).substr(scheme.size());
  bool names_one = false;
  while (!rest.empty()) {
    const std::string_view attribute = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(attribute.size() + 1, rest.size()));
    const std::string_view name = attribute.substr(0, attribute.find('='));
    if (std::ranges::find(kOfTokens, name) == kOfTokens.end())
      table.fail("uri", "has " + log::escape(name.substr(0, 64)) +
                            ", which does not name a token; there are token, serial, manufacturer "
                            "and model");
    names_one = names_one || name == "token" || name == "serial";
  }
  if (!names_one)
    table.fail("uri",
               "fits any token: name one with token= or serial=, as `p11tool --list-tokens` "
               "or `pkcs11-tool --list-token-slots` shows it");
  return uri;
}

// systemd.exec(5): a credential's name is a file's.
std::string credential(Table& table) {
  auto name = table.text("pin_credential");
  if (!name) return {};
  const bool good = !name->empty() && name->size() <= 255 && !name->starts_with('.') &&
                    std::ranges::all_of(*name, [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
                    });
  if (!good)
    table.fail("pin_credential",
               "has to be a credential's name, as in LoadCredentialEncrypted=NAME:…, not a path");
  return std::move(*name);
}

bool is_variable(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::vector<std::string> environment(Table& device) {
  std::vector<std::string> variables;
  auto table = device.table("environment");
  if (!table) return variables;
  for (const std::string& name : table->keys()) {
    const std::string value = table->text(name).value_or("");
    const std::string variable = name + "=" + value;
    if (!is_variable(name) || has_control(value) || value.size() > kMostValueBytes)
      table->fail(name,
                  "is no variable for a module: its name has letters, digits and '_', its "
                  "value one line of at most 4096 bytes");
    for (const std::string_view refused : kNotForModules)
      if (variable.starts_with(refused))
        table->fail(name, "is not for modules to have: it decides what runs in the process");
    variables.push_back(variable);
  }
  if (variables.size() > kMostVariables)
    device.fail("environment", "has more than " + std::to_string(kMostVariables) + " variables");
  table->finish();
  return variables;
}

void read_pkcs11(Table& table, Device& device) {
  Hsm& hsm = device.hsm;
  auto module = table.path("module", "/usr/lib/softhsm/libsofthsm2.so");
  if (!module) table.fail("module", "is missing: add the path of the vendor's PKCS#11 library");
  hsm.module = std::move(*module);
  hsm.uri = token_uri(table);
  hsm.pin_file = table.path("pin_file", "/etc/holdfast/hsm.pin").value_or("");
  hsm.pin_credential = credential(table);
  if (!hsm.pin_file.empty() && !hsm.pin_credential.empty())
    table.fail("pin_file", "does not go with pin_credential: give the one or the other");
  hsm.parallel =
      static_cast<std::uint32_t>(table.integer("parallel", 1, kMostSessions).value_or(0));
  hsm.writable = table.paths("writable", "/var/lib/softhsm/tokens");
  for (const std::string& folder : hsm.writable)
    if (folder == "/")
      table.fail("writable", "is everything: name the folder that the module writes to");
  hsm.environment = environment(table);
  hsm.network = table.boolean("network").value_or(false);
}

// In place of "not known here": it is known, of another backend.
void refuse_others(const Table& table, std::string_view backend,
                   std::initializer_list<std::string_view> others) {
  for (const std::string& key : table.keys())
    if (std::ranges::find(others, std::string_view(key)) != others.end())
      table.fail(key, "is not for a device of the backend \"" + std::string(backend) +
                          "\": remove it, or correct backend");
}

}  // namespace

Device read_device(Table& table, std::set<std::string>& names) {
  Device device;
  device.name = table.required_text("name");
  if (!is_name(device.name))
    table.fail("name", "is " + log::escape(device.name.substr(0, 128)) +
                           "; a device's name is [a-z0-9][a-z0-9._-]{0,62}");
  table.rename("device \"" + device.name + "\"");
  if (!names.insert(device.name).second) table.fail("name", "is given to two devices: rename one");
  device.backend = table.required_text("backend");
  if (device.backend == "tpm") {
    refuse_others(table, "tpm",
                  {"module", "uri", "pin_file", "pin_credential", "parallel", "writable",
                   "environment", "network"});
    read_tpm(table, device);
  } else if (device.backend == "pkcs11") {
    refuse_others(table, "pkcs11", {"tcti", "sessions", "anchor_index"});
    read_pkcs11(table, device);
  } else {
    table.fail("backend", "is " + log::escape(device.backend.substr(0, 128)) +
                              ", which is not built in; there are \"tpm\" and \"pkcs11\"");
  }
  if (table.choice("verify", {"always", "sampled"}) == "sampled") device.verify = Verify::sampled;
  table.finish();
  return device;
}

}  // namespace holdfast::config
