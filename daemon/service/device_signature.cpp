#include "daemon/service/device_signature.h"

#include "daemon/base/error.h"

namespace holdfast {

boost::asio::awaitable<Bytes> verified_signature(Service& service, std::uint64_t account,
                                                 Algorithm algorithm, const Bytes& digest,
                                                 const Key& key, const KeyVersion& version) {
  Bytes signature =
      co_await service.device(key.device).sign(account, version.object, algorithm, digest);
  if (service.verification.is_due(key.device, algorithm, version.public_key) &&
      !service.verifier.verifies(version.public_key, algorithm, digest, signature)) {
    service.verification.failed(key.device);
    throw Error(
        ErrorKind::device_unavailable,
        "the device gave a signature that its own public key refuses; nothing was released");
  }
  service.lost.remove(key.name, version.number);
  co_return signature;
}

}  // namespace holdfast
