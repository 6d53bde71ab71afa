// A token that nobody is logged in to, because it is another than the one on record.
#pragma once

#include <memory>

#include "daemon/key/backend.h"

namespace holdfast::pkcs11 {

// Described, so that an administrator can be asked whether it is meant; everything else throws
// Error{device_unavailable}.
std::unique_ptr<Backend> stranger(DeviceDescription device, const std::string& name);

}  // namespace holdfast::pkcs11
