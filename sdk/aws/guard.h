// Who may ask an endpoint on loopback: a program of the same user, that knows it is talking to this endpoint.
#pragma once

#include <string>

#include "sdk/cli/http_server.h"

namespace holdfast::aws {

// Whether a connection is of a program of this user; root's are not, unless this is root. Others are closed without a
// word as they come, so that they take no place among those that are served.
bool is_ours(const boost::asio::ip::tcp::endpoint& from, const boost::asio::ip::tcp::endpoint& to);

// Why a request on a connection that is ours gets nothing, or empty. Refused are: a Host header of another name than the endpoint's address or localhost (a web page whose name was rebound to it); and what a browser
// or a proxy adds (Origin, Forwarded, Via, X-Forwarded-…, X-Real-IP), for whoever it asks for is not of this machine.
std::string refusal(const cli::Asked& asked);

// Equal, in a time that does not tell where they differ.
bool is_same_secret(std::string_view one, std::string_view other);

}  // namespace holdfast::aws
