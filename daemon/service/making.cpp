#include "daemon/service/making.h"

#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/base/openssl.h"
#include "daemon/key/check_value.h"
#include "daemon/key/jwk.h"
#include "daemon/key/pkcs8.h"

namespace holdfast {
namespace {

using boost::asio::awaitable;

awaitable<Made> put_on_device(std::uint64_t account, device::Client& device, KeyType type,
                              const Material& material) {
  Made made{{}, type, Origin::imported};
  DeviceKey key;
  if (const auto* access = std::get_if<AccessKey>(&material)) {
    key = co_await device.import_secret(account, access->derivation_key);
    made.version.kid = access->id;
  } else if (const auto* given = std::get_if<GivenKey>(&material)) {
    key = co_await device.import_private_key(account, type, given->key.pkcs8);
    made.version.kid = given->kid;
  } else if (const auto* there = std::get_if<OnDevice>(&material)) {
    EnrolledKey found = co_await device.enrol(account, there->uri);
    made.type = found.type;
    if (found.always_secret) made.origin = Origin::generated;
    key = std::move(found.key);
  } else {
    key = co_await device.create(account, type);
    made.origin = Origin::generated;
  }
  made.version.object = std::move(key.object);
  made.version.public_key = std::move(key.public_key);
  co_return made;
}

awaitable<void> complete(std::uint64_t account, device::Client& device, KeyUse use,
                         const Material& material, Made& made) {
  KeyVersion& version = made.version;
  if (!fits(use, made.type))
    throw Error(ErrorKind::invalid_request, "use: the key is of the type " +
                                                std::string(to_string(made.type)) +
                                                ", which does not sign for this use");
  if (const auto* access = std::get_if<AccessKey>(&material)) {
    version.check_value =
        check_value(hmac_sha256(access->derivation_key.view(), check_message().front()));
    // What does not compute now would give signatures that AWS refuses.
    const Secret mac = co_await device.mac(account, version.object, check_message());
    if (check_value(mac) != version.check_value)
      throw Error(ErrorKind::device_unavailable,
                  "the device does not compute HMAC-SHA-256 with the secret that it was given");
  }
  if (const auto* given = std::get_if<GivenKey>(&material);
      given != nullptr && version.public_key != public_key_of(made.type, given->key.pkcs8))
    throw Error(ErrorKind::device_unavailable,
                "the device holds another key than it was given: its public key differs");
  if (version.kid.empty()) version.kid = jwk_thumbprint(version.public_key);
}

}  // namespace

boost::asio::awaitable<Made> make_on_device(Service& service, std::uint64_t account,
                                            device::Client& device, const Key& key,
                                            const Material& material) {
  Made made = co_await put_on_device(account, device, key.type, material);
  made.version.created = service.clock.now();
  std::exception_ptr failure;
  try {
    co_await complete(account, device, key.use, material, made);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    co_await discard(account, device, made.version.object);
    std::rethrow_exception(failure);
  }
  co_return made;
}

boost::asio::awaitable<void> discard(std::uint64_t account, device::Client& device,
                                     const Bytes& object) {
  try {
    co_await device.remove(account, object);
  } catch (const Error& error) {
    log::warning("device_object_left", {{"device", device.name()}, {"why", error.what()}});
  }
}

}  // namespace holdfast
