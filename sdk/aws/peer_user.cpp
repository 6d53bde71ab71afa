#include "sdk/aws/peer_user.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"

namespace holdfast::aws {
namespace {

using boost::asio::ip::tcp;

struct Question {
  nlmsghdr header{};
  inet_diag_req_v2 request{};
};

void put_address(const boost::asio::ip::address& address, __be32 (&out)[4]) {
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    std::memcpy(out, bytes.data(), bytes.size());
  } else {
    const auto bytes = address.to_v6().to_bytes();
    std::memcpy(out, bytes.data(), bytes.size());
  }
}

// One socket by its four names, in whatever state it is.
Question question(const tcp::endpoint& from, const tcp::endpoint& to) {
  Question question;
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  inet_diag_req_v2& request = question.request;
  request.sdiag_family = from.address().is_v4() ? AF_INET : AF_INET6;
  request.sdiag_protocol = IPPROTO_TCP;
  request.idiag_states = ~0U;
  request.id.idiag_sport = htons(from.port());
  request.id.idiag_dport = htons(to.port());
  put_address(from.address(), request.id.idiag_src);
  put_address(to.address(), request.id.idiag_dst);
  request.id.idiag_cookie[0] = request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return question;
}

// The look-up falls back on a socket that listens on `from`, and whoever made that has not connected. A socket that
// no process holds any more has no inode, and a user that says nothing; one that has sent its last may still read.
bool is_connected(const inet_diag_msg& socket) {
  return socket.idiag_inode != 0 &&
         (socket.idiag_state == TCP_ESTABLISHED || socket.idiag_state == TCP_FIN_WAIT1 ||
          socket.idiag_state == TCP_FIN_WAIT2);
}

}  // namespace

std::optional<uid_t> user_of(const tcp::endpoint& from, const tcp::endpoint& to) {
  const UniqueFd netlink(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) throw_errno(ErrorKind::unsupported, "sock_diag");
  const Question asked = question(from, to);
  if (::send(netlink.get(), &asked, sizeof asked, 0) != static_cast<ssize_t>(sizeof asked))
    throw_errno(ErrorKind::unsupported, "sock_diag");
  alignas(nlmsghdr) std::array<char, 8192> answer;
  const ssize_t size = ::recv(netlink.get(), answer.data(), answer.size(), 0);
  if (size < 0) throw_errno(ErrorKind::unsupported, "sock_diag");
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
  if (!NLMSG_OK(header, static_cast<std::size_t>(size)) ||
      header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
      header->nlmsg_len < NLMSG_LENGTH(sizeof(inet_diag_msg)))
    return std::nullopt;
  const auto& socket = *static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
  return is_connected(socket) ? std::optional(socket.idiag_uid) : std::nullopt;
}

}  // namespace holdfast::aws
