// A key version on its device, before any record names it.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "daemon/service/key_material.h"
#include "daemon/service/service.h"

namespace holdfast {

struct Made {
  KeyVersion version;  // without number and state
  KeyType type;
  Origin origin;
};

// A version of `key`, which says use and, where the material does not, type. Throws what the device does, and
// Error{invalid_request} where the key does not fit its use; then the device does not hold it.
boost::asio::awaitable<Made> make_on_device(Service& service, std::uint64_t account,
                                            device::Client& device, const Key& key,
                                            const Material& material);

// Removes what no record will name; where that fails, the log says so.
boost::asio::awaitable<void> discard(std::uint64_t account, device::Client& device,
                                     const Bytes& object);

}  // namespace holdfast
