// The way of a request. Start reading here.
#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "daemon/service/intent.h"
#include "daemon/service/service.h"
#include "daemon/socket/http.h"

namespace holdfast {

// Answers one request to sign: format, policy, device, format, audit, in this order. Everything
// that policy judged is recorded before it is answered; what can't be recorded is refused. Throws
// only what is no decision: a malformed request, or Error{audit_unavailable}.
boost::asio::awaitable<socket::Response> serve(Service& service, const Caller& caller,
                                               Operation operation, socket::Request request,
                                               std::string request_id);

}  // namespace holdfast
