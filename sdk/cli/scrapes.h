// Metrics over HTTP, for scrapers.
//
// Plain HTTP/1.1, GET /metrics and nothing else. A Host header that is neither an IP address nor localhost nor one of
// the names given is refused, so that no web page reaches this by a name of its own (DNS rebinding).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

namespace holdfast::cli {

// Serves until the process ends. `read` gives the metrics and throws Failure where there are none. Calls
// `ready` with the address once it listens. Throws Failure.
void serve_scrapes(const boost::asio::ip::tcp::endpoint& address,
                   const std::vector<std::string>& names, const std::function<std::string()>& read,
                   const std::function<void(const std::string& address)>& ready);

}  // namespace holdfast::cli
