// The application socket: who connected, and what the paths below /v1 answer them.
#pragma once

#include <memory>

#include "daemon/service/service.h"
#include "daemon/socket/server.h"

namespace holdfast {

// Throws Error{not_permitted} for a peer that the kernel does not vouch for.
std::unique_ptr<socket::Session> accept_application(Service& service, int fd);

}  // namespace holdfast
