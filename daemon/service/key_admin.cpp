#include "daemon/service/key_admin.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/key/jwk.h"
#include "daemon/service/documents.h"

namespace holdfast {
namespace {

using boost::asio::awaitable;

constexpr std::size_t kMaxName = 256;  // read generously, judged by is_key_name
constexpr std::size_t kMaxAccessKeyId = 128;
// With its prefix it has to fit the 128 bytes of Backend::import_secret.
constexpr std::string_view kSigv4Prefix = "AWS4";
constexpr std::size_t kMaxSecretAccessKey = 124;

std::string read_name(Fields& fields) {
  std::string name = fields.text("name", kMaxName);
  if (!is_key_name(name)) fields.fail("name", "has to match [a-z0-9][a-z0-9._-]{0,62}");
  return name;
}

KeyUse read_use(Fields& fields) {
  const auto use = key_use_from(fields.text("use", 32));
  if (!use) fields.fail("use", "has to be sigv4 or digest");
  return *use;
}

bool is_access_key_id(std::string_view text) {
  // It stands in Credential=ID/scope, and in a query.
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > 0x20 && c < 0x7F && c != '/' && c != ',' && c != '=';
  });
}

struct AccessKey {
  std::string id;
  Secret derivation_key;  // "AWS4" + secret access key: what kDate is made with
};

AccessKey read_access_key(Fields& fields) {
  AccessKey key{fields.text("access_key_id", kMaxAccessKeyId), {}};
  if (!is_access_key_id(key.id))
    fields.fail("access_key_id", "has to be printable ASCII without space, '/', ',' and '='");
  const Secret secret = fields.secret("secret_access_key", kMaxSecretAccessKey);
  if (!std::ranges::all_of(secret.view(), [](std::uint8_t c) { return c > 0x20 && c < 0x7F; }))
    fields.fail("secret_access_key", "has to be printable ASCII without spaces");
  key.derivation_key = Secret(kSigv4Prefix.size() + secret.size());
  std::memcpy(key.derivation_key.writable().data(), kSigv4Prefix.data(), kSigv4Prefix.size());
  std::memcpy(key.derivation_key.writable().data() + kSigv4Prefix.size(), secret.view().data(),
              secret.size());
  return key;
}

VersionState read_new_state(Fields& fields) {
  const std::string state = fields.optional_text("state", 32).value_or("pending");
  if (state != "pending" && state != "active") fields.fail("state", "has to be pending or active");
  return *version_state_from(state);
}

KeyVersion version_of(const Service& service, DeviceKey made, std::string kid) {
  KeyVersion version;
  version.created = service.clock.now();
  version.kid = kid.empty() ? jwk_thumbprint(made.public_key) : std::move(kid);
  version.object = std::move(made.object);
  version.public_key = std::move(made.public_key);
  return version;
}

std::uint32_t read_number(const std::string& text) {
  std::uint32_t number = 0;
  const auto [stop, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || stop != text.data() + text.size())
    throw Error(ErrorKind::invalid_request, "a version is a number");
  return number;
}

}  // namespace

Key KeyAdmin::require(const std::string& name) const {
  const Catalogue::Entry key = service_.catalogue.find(name);
  if (!key) throw Error(ErrorKind::not_found, "there is no key " + name.substr(0, 63));
  if (!key->damage.empty())
    throw Error(ErrorKind::key_lost,
                "key " + name + ": " + key->damage + "; it can only be deleted");
  return *key;
}

device::Client& KeyAdmin::choose_device(const std::optional<std::string>& name) const {
  if (service_.devices.empty())
    throw Error(ErrorKind::conflict, "the configuration has no [[device]]");
  if (!name && service_.devices.size() > 1)
    throw Error(ErrorKind::invalid_request, "device: is required, for there is more than one");
  const auto at = name ? service_.devices.find(*name) : service_.devices.begin();
  if (at == service_.devices.end())
    throw Error(ErrorKind::invalid_request, "device: the configuration has none of that name");
  return *at->second;
}

awaitable<json::object> KeyAdmin::create(std::uint32_t uid, std::string_view body) {
  const json::object object = parse_json_object(body);
  Fields fields(object);
  Key key;
  key.name = named_ = read_name(fields);
  const auto type = key_type_from(fields.text("type", 32));
  if (!type) fields.fail("type", "is not a known key type");
  key.type = *type;
  key.use = read_use(fields);
  device::Client& device = choose_device(fields.optional_text("device", kMaxName));
  fields.finish();
  if (key.use == KeyUse::sigv4)
    fields.fail("use", "a sigv4 key holds a secret that AWS gave: import it");
  if (!fits(key.use, key.type)) fields.fail("type", "does not fit the use");

  const Catalogue::Change change(service_.catalogue, key.name);
  if (service_.catalogue.find(key.name))
    throw Error(ErrorKind::conflict, "key " + key.name + " exists already");
  DeviceKey made = co_await device.create(uid, key.type);
  key.device = device.name();
  key.software = device.description().software;
  key.origin = Origin::generated;
  co_return co_await save_new(with_version(
      std::move(key), version_of(service_, std::move(made), ""), VersionState::active));
}

awaitable<json::object> KeyAdmin::import(std::uint32_t uid, std::string_view body) {
  const json::object object = parse_json_object(body, secret_storage());
  Fields fields(object);
  Key key;
  key.name = named_ = read_name(fields);
  key.use = read_use(fields);
  if (key.use != KeyUse::sigv4)
    fields.fail("use", "has to be sigv4: only access keys are imported");
  key.type = KeyType::hmac_sha256;
  device::Client& device = choose_device(fields.optional_text("device", kMaxName));
  const AccessKey access = read_access_key(fields);
  fields.finish();

  const Catalogue::Change change(service_.catalogue, key.name);
  if (service_.catalogue.find(key.name))
    throw Error(ErrorKind::conflict, "key " + key.name + " exists already");
  DeviceKey made = co_await device.import_secret(uid, access.derivation_key);
  key.device = device.name();
  key.software = device.description().software;
  key.origin = Origin::imported;
  co_return co_await save_new(with_version(
      std::move(key), version_of(service_, std::move(made), access.id), VersionState::active));
}

awaitable<json::object> KeyAdmin::add_version(std::uint32_t uid, std::string name,
                                              std::string_view body) {
  const json::object object = parse_json_object(body.empty() ? "{}" : body, secret_storage());
  Fields fields(object);
  const Catalogue::Change change(service_.catalogue, name);
  Key key = require(name);
  device::Client& device = service_.device(key.device);
  const VersionState state = read_new_state(fields);
  KeyVersion version;
  if (key.use == KeyUse::sigv4) {
    const AccessKey access = read_access_key(fields);
    fields.finish();
    version =
        version_of(service_, co_await device.import_secret(uid, access.derivation_key), access.id);
  } else {
    fields.finish();
    version = version_of(service_, co_await device.create(uid, key.type), "");
  }
  co_return co_await save(with_version(std::move(key), std::move(version), state));
}

awaitable<json::object> KeyAdmin::change_version(std::string name, std::string number,
                                                 std::string verb) {
  const Catalogue::Change change(service_.catalogue, name);
  Key key = require(name);
  const std::uint32_t version = read_number(number);
  if (verb == "activate")
    key = activated(std::move(key), version);
  else if (verb == "retire")
    key = retired(std::move(key), version);
  else if (verb == "disable" || verb == "enable")
    key = with_version_disabled(std::move(key), version, verb == "disable");
  else
    throw Error(ErrorKind::not_found, "a version takes activate, retire, disable or enable");
  co_return co_await save(std::move(key));
}

awaitable<json::object> KeyAdmin::set_disabled(std::string name, bool disabled) {
  const Catalogue::Change change(service_.catalogue, name);
  Key key = require(name);
  key.disabled = disabled;
  co_return co_await save(std::move(key));
}

awaitable<void> KeyAdmin::remove(std::uint32_t uid, std::string name) {
  const Catalogue::Change change(service_.catalogue, name);
  const Catalogue::Entry key = service_.catalogue.find(name);
  if (!key) throw Error(ErrorKind::not_found, "there is no key " + name.substr(0, 63));
  co_await service_.audit->run([&] { store_.remove(name); });
  service_.catalogue.erase(name);
  service_.signing_keys.forget(name);
  // The entry is gone for good; what the device itself may store is cleaned up as far as it
  // answers.
  try {
    for (const KeyVersion& version : key->versions)
      co_await service_.device(key->device).remove(uid, version.object);
  } catch (const Error& error) {
    log::warning("device_object_left", {{"key", name}, {"why", error.what()}});
  }
}

awaitable<json::object> KeyAdmin::save_new(Key key) {
  co_await service_.audit->run([&] { store_.create(key); });
  json::object document = key_document(key, true);
  service_.catalogue.put(std::move(key));
  co_return document;
}

awaitable<json::object> KeyAdmin::save(Key key) {
  co_await service_.audit->run([&] { store_.update(key); });
  json::object document = key_document(key, true);
  service_.signing_keys.forget(key.name);
  service_.catalogue.put(std::move(key));
  co_return document;
}

}  // namespace holdfast
