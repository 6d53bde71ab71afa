// Which user of this machine is at the other end of a loopback connection.
#pragma once

#include <sys/types.h>

#include <optional>

#include <boost/asio/ip/tcp.hpp>

namespace holdfast::aws {

// The owner of the socket `from` that is connected to `to`, as the kernel has it (sock_diag(7)); nullopt where it has
// none: the connection comes from another network namespace, or is closed. A socket that was handed on still has
// the owner who made it. Throws Error{unsupported} where the kernel can't be asked.
std::optional<uid_t> user_of(const boost::asio::ip::tcp::endpoint& from,
                             const boost::asio::ip::tcp::endpoint& to);

}  // namespace holdfast::aws
