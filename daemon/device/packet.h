// The device process's end of a link: whole messages, waited for.
#pragma once

#include <optional>

#include "daemon/device/message.h"

namespace holdfast::device {

// Both throw Error{internal} where the link fails and yet the core is there: it would not come with another.

// The next message, within `buffer` of kBufferBytes; nullopt where the core's end is closed.
std::optional<ByteView> receive_packet(int link, Wire& buffer);

// Waits until it is taken; false where the core's end is closed. Messages of several threads don't mix.
bool send_packet(int link, const Wire& wire);

}  // namespace holdfast::device
