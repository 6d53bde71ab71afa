#include "daemon/device/execute.h"

#include "daemon/base/log.h"

namespace holdfast::device {
namespace {

Answer enrol(Backend& backend, const Enrol& command) {
  auto* enroller = dynamic_cast<Enroller*>(&backend);
  if (enroller == nullptr)
    throw Error(ErrorKind::unsupported,
                "this device stores no keys itself, so none can be enrolled: make or import one");
  return enroller->enrol(command.uri);
}

Anchor& anchor_of(Backend& backend) {
  auto* anchor = dynamic_cast<Anchor*>(&backend);
  if (anchor == nullptr)
    throw Error(ErrorKind::unsupported, "this device has no counter that only grows");
  return *anchor;
}

Answer perform(Backend& backend, const Command& command, const Backend::Meanwhile& meanwhile) {
  if (const auto* mac = std::get_if<Mac>(&command)) return backend.mac(mac->object, mac->chain);
  if (const auto* sign = std::get_if<Sign>(&command))
    return Signature{backend.sign(sign->object, sign->algorithm, sign->digest, meanwhile)};
  if (const auto* create = std::get_if<Create>(&command)) return backend.create(create->type);
  if (const auto* import = std::get_if<ImportSecret>(&command))
    return backend.import_secret(import->secret);
  if (const auto* import = std::get_if<ImportPrivateKey>(&command))
    return backend.import_private_key(import->type, import->pkcs8);
  if (const auto* remove = std::get_if<Remove>(&command)) {
    backend.remove(remove->object);
    return Removed{};
  }
  if (const auto* wanted = std::get_if<Enrol>(&command)) return enrol(backend, *wanted);
  if (std::holds_alternative<ReadAnchor>(command)) return anchor_of(backend).read();
  if (std::holds_alternative<IncrementAnchor>(command)) return anchor_of(backend).increment();
  backend.check();
  return Ready{backend.describe()};
}

}  // namespace

bool runs_beside_others(const Command& command) noexcept {
  return std::holds_alternative<Sign>(command) || std::holds_alternative<Mac>(command);
}

Executed execute(Backend& backend, const Command& command, const Backend::Meanwhile& meanwhile) {
  try {
    return {perform(backend, command, meanwhile), {}};
  } catch (const Error& error) {
    Executed failed{Failure{error.kind(), error.native_code(), error.detail()}, {}};
    if (error.kind() == ErrorKind::device_unavailable) {
      log::warning("device_lost", {{"why", error.what()}});
      failed.loss = error.what();
    }
    if (error.kind() == ErrorKind::internal)
      log::error("device_command_failed", {{"why", error.what()}});
    return failed;
  } catch (const std::exception& error) {
    return {Failure{ErrorKind::internal, 0, error.what()}, {}};
  }
}

}  // namespace holdfast::device
