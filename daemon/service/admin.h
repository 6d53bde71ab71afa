// The admin socket: keys, reload, audit. Who may connect is the socket's mode and group; every call
// is recorded, the refused ones too.
#pragma once

#include <memory>

#include "daemon/key/store.h"
#include "daemon/service/service.h"
#include "daemon/socket/server.h"

namespace holdfast {

// `store` is used on the disk worker alone. Throws Error{not_permitted} as accept_application does.
std::unique_ptr<socket::Session> accept_admin(Service& service, const Store& store, int fd);

// The metrics socket: GET /metrics in Prometheus' text form, and nothing else.
std::unique_ptr<socket::Session> accept_metrics(Service& service, int fd);

}  // namespace holdfast
