// The check value of an HMAC key: proof, each time a device is asked to derive from it, that it holds
// the key that was imported and computes HMAC as it should. A wrong one would otherwise show as a
// signature that AWS refuses.
#pragma once

#include <string>
#include <vector>

#include "daemon/base/secret.h"

namespace holdfast {

// What the key is given to authenticate; nothing that a format signs.
const std::vector<Bytes>& check_message();

// `mac` is HMAC-SHA-256 over check_message() with the key. 16 hex digits of its SHA-256: too few to
// stand for the key, which has far more bits.
std::string check_value(const Secret& mac);

}  // namespace holdfast
