// The device process's end of a link: whole messages, waited for.
#pragma once

#include <optional>

#include "daemon/device/message.h"

namespace holdfast::device {

// The next message, within `buffer`; nullopt where the link has ended, or a message does not fit, which is no
// better.
std::optional<ByteView> receive_packet(int link, Wire& buffer);

// Waits until it is taken; false where the link has ended. Messages of several threads don't mix.
bool send_packet(int link, const Wire& wire);

}  // namespace holdfast::device
