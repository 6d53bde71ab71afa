#include "pkcs11/backend.h"

#include "daemon/base/error.h"

namespace holdfast::pkcs11 {

std::unique_ptr<Backend> open(const Settings&) {
  throw Error(ErrorKind::device_unavailable, "not built yet");
}

}  // namespace holdfast::pkcs11
