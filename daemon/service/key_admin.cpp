#include "daemon/service/key_admin.h"

#include <algorithm>
#include <charconv>

#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/service/documents.h"
#include "daemon/service/making.h"

namespace holdfast {
namespace {

using boost::asio::awaitable;

constexpr std::size_t kMaxName = 256;  // read generously, judged by is_key_name

std::string read_name(Fields& fields) {
  std::string name = fields.text("name", kMaxName);
  if (!is_key_name(name)) fields.fail("name", "has to match [a-z0-9][a-z0-9._-]{0,62}");
  return name;
}

KeyUse read_use(Fields& fields) {
  const auto use = key_use_from(fields.text("use", 32));
  if (!use) fields.fail("use", "has to be sigv4, sigv4a, jwt, digest, roles-anywhere or audit");
  return *use;
}

// What AWS made is neither made here nor on a token.
void refuse_access_key(const Fields& fields, KeyUse use) {
  if (is_of_access_key(use))
    fields.fail(
        "use", "a " + std::string(to_string(use)) + " key holds a secret that AWS gave: import it");
}

VersionState read_new_state(Fields& fields) {
  const std::string state = fields.optional_text("state", 32).value_or("pending");
  if (state != "pending" && state != "active") fields.fail("state", "has to be pending or active");
  return *version_state_from(state);
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

awaitable<json::object> KeyAdmin::create(std::uint64_t account, std::string_view body) {
  const json::object object = parse_json_object(body);
  Fields fields(object);
  Key key;
  key.name = named_ = read_name(fields);
  const auto type = key_type_from(fields.text("type", 32));
  if (!type) fields.fail("type", "has to be ec-p256, ec-p384, rsa-2048, rsa-3072 or ed25519");
  key.type = *type;
  key.use = read_use(fields);
  device::Client& device = choose_device(fields.optional_text("device", kMaxName));
  fields.finish();
  refuse_access_key(fields, key.use);
  if (!fits(key.use, key.type))
    fields.fail("type",
                "does not sign for this use: hmac-sha256 is for sigv4 alone, ed25519 for jwt, "
                "audit takes ec-p256 alone, and roles-anywhere no ec-p384");

  Material made = MadeByDevice{};
  co_return co_await add_key(account, std::move(key), device, std::move(made));
}

awaitable<json::object> KeyAdmin::import(std::uint64_t account, std::string_view body) {
  const json::object object = parse_secret_json_object(body);
  Fields fields(object);
  Key key;
  key.name = named_ = read_name(fields);
  key.use = read_use(fields);
  device::Client& device = choose_device(fields.optional_text("device", kMaxName));
  Material material = read_imported(fields, key.use);
  fields.finish();
  key.type = type_of(material, key.type);
  co_return co_await add_key(account, std::move(key), device, std::move(material));
}

awaitable<json::object> KeyAdmin::enrol(std::uint64_t account, std::string_view body) {
  const json::object object = parse_json_object(body);
  Fields fields(object);
  Key key;
  key.name = named_ = read_name(fields);
  key.use = read_use(fields);
  device::Client& device = choose_device(fields.optional_text("device", kMaxName));
  Material material = read_enrolled(fields);
  fields.finish();
  refuse_access_key(fields, key.use);
  co_return co_await add_key(account, std::move(key), device, std::move(material));
}

awaitable<json::object> KeyAdmin::add_version(std::uint64_t account, std::string name,
                                              std::string_view body) {
  const json::object object = parse_secret_json_object(body.empty() ? "{}" : body);
  Fields fields(object);
  const Catalogue::Change change(service_.catalogue, name);
  Key key = require(name);
  device::Client& device = service_.device(key.device);
  const VersionState state = read_new_state(fields);
  Material material;
  if (is_of_access_key(key.use) || fields.has("private_key_pem"))
    material = read_imported(fields, key.use);
  fields.finish();
  if (type_of(material, key.type) != key.type)
    fields.fail("private_key_pem", "is not of the key's type, " + std::string(to_string(key.type)));

  Made made = co_await make_on_device(service_, account, device, key, material);
  if (made.origin == Origin::imported) key.origin = Origin::imported;
  co_return co_await keep(account, device, std::move(key), std::move(made.version), state, false);
}

awaitable<json::object> KeyAdmin::add_key(std::uint64_t account, Key key, device::Client& device,
                                          Material material) {
  const Catalogue::Change change(service_.catalogue, key.name);
  if (service_.catalogue.find(key.name))
    throw Error(ErrorKind::conflict, "key " + key.name + " exists already");
  Made made = co_await make_on_device(service_, account, device, key, material);
  key.type = made.type;
  key.origin = made.origin;
  key.device = device.name();
  key.software = device.description().software;
  co_return co_await keep(account, device, std::move(key), std::move(made.version),
                          VersionState::active, true);
}

awaitable<json::object> KeyAdmin::keep(std::uint64_t account, device::Client& device, Key key,
                                       KeyVersion version, VersionState state, bool is_new) {
  const Bytes object = version.object;
  std::exception_ptr failure;
  try {
    std::optional<Catalogue::Change> kid;
    if (key.use == KeyUse::jwt) hold_kid(version.kid, kid);
    key = with_version(std::move(key), std::move(version), state);
    if (is_new) co_return co_await save_new(std::move(key));
    co_return co_await save(std::move(key));
  } catch (...) {
    failure = std::current_exception();
  }
  co_await discard(account, device, object);
  std::rethrow_exception(failure);
}

void KeyAdmin::hold_kid(const std::string& kid, std::optional<Catalogue::Change>& hold) {
  hold.emplace(service_.catalogue, "kid " + kid);
  for (const auto& [name, key] : service_.catalogue.all()) {
    if (key->use != KeyUse::jwt) continue;
    if (std::ranges::find(key->versions, kid, &KeyVersion::kid) != key->versions.end())
      throw Error(ErrorKind::conflict,
                  "the kid " + kid + " is taken by key " + name + ": choose another");
  }
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

awaitable<void> KeyAdmin::remove(std::uint64_t account, std::string name) {
  const Catalogue::Change change(service_.catalogue, name);
  const Catalogue::Entry key = service_.catalogue.find(name);
  if (!key) throw Error(ErrorKind::not_found, "there is no key " + name.substr(0, 63));
  co_await service_.audit->run([&] { store_.remove(name); });
  service_.catalogue.erase(name);
  service_.signing_keys.forget(name);
  service_.lost.forget(name);
  for (const KeyVersion& version : key->versions) {
    service_.verifier.forget(version.public_key);
    service_.verification.forget(key->device, version.public_key);
  }
  // The entry is gone for good; what the device itself may store is cleaned up as far as it
  // answers.
  for (const KeyVersion& version : key->versions) try {
      co_await service_.device(key->device).remove(account, version.object);
    } catch (const Error& error) {
      log::warning(
          "device_object_left",
          {{"key", name}, {"version", std::to_string(version.number)}, {"why", error.what()}});
    }
}

awaitable<json::object> KeyAdmin::save_new(Key key) {
  key = dated(std::move(key), nullptr, service_.clock.now());
  co_await service_.audit->run([&] { store_.create(key); });
  json::object document = key_document(service_, key, true);
  service_.catalogue.put(std::move(key));
  co_return document;
}

awaitable<json::object> KeyAdmin::save(Key key) {
  const Catalogue::Entry before = service_.catalogue.find(key.name);
  key = dated(std::move(key), before.get(), service_.clock.now());
  co_await service_.audit->run([&] { store_.update(key); });
  json::object document = key_document(service_, key, true);
  service_.signing_keys.forget(key.name);
  service_.catalogue.put(std::move(key));
  co_return document;
}

}  // namespace holdfast
