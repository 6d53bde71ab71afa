// What Backend demands of its arguments, the same for every device. All throw: unsupported for what the device
// can't, invalid_request for what does not fit.
#pragma once

#include <vector>

#include "daemon/key/backend.h"

namespace holdfast {

void demand_type(const DeviceDescription& device, KeyType type);
void demand_algorithm(const DeviceDescription& device, Algorithm algorithm);

// create()'s type.
void demand_makable(const DeviceDescription& device, KeyType type);

// sign()'s digest, or message for eddsa; mac()'s chain; import_secret()'s secret.
void demand_size(Algorithm algorithm, ByteView digest);
void demand_sizes(const std::vector<Bytes>& chain);
void demand_size(const Secret& secret);

// The key's type, once it is known.
void demand_signs(KeyType type, Algorithm algorithm);
void demand_makes_macs(KeyType type);

}  // namespace holdfast
