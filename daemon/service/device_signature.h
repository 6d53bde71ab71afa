// A signature by a key version on its device.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "daemon/service/service.h"

namespace holdfast {

// Of `digest`, as Backend::sign gives it, verified with the public key before anything is made of it, as
// far as the device's `verify` demands. All arguments stay the caller's while it waits. Throws what the
// device does.
boost::asio::awaitable<Bytes> verified_signature(Service& service, std::uint64_t account,
                                                 Algorithm algorithm, const Bytes& digest,
                                                 const Key& key, const KeyVersion& version);

}  // namespace holdfast
