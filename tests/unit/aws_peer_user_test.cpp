#include "sdk/aws/peer_user.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

namespace holdfast::aws {
namespace {

using boost::asio::ip::make_address;
using boost::asio::ip::tcp;

class AwsPeerUser : public testing::TestWithParam<const char*> {
 protected:
  tcp::endpoint loopback() const { return {make_address(GetParam()), 0}; }
  void connect() {
    client_.connect(acceptor_.local_endpoint());
    server_ = acceptor_.accept();
    from_ = server_.remote_endpoint();
    to_ = server_.local_endpoint();
  }

  boost::asio::io_context loop_;
  tcp::acceptor acceptor_{loop_, loopback()};
  tcp::socket client_{loop_}, server_{loop_};
  tcp::endpoint from_, to_;
};

TEST_P(AwsPeerUser, IsTheOneWhoConnected) {
  connect();
  EXPECT_EQ(user_of(from_, to_), ::geteuid());
}

TEST_P(AwsPeerUser, IsKnownOfOneWhoHasSaidAll) {
  connect();
  client_.shutdown(tcp::socket::shutdown_send);
  EXPECT_EQ(user_of(from_, to_), ::geteuid());
}

// Where no socket is connected the kernel gives the one that listens on that port.
TEST_P(AwsPeerUser, IsNobodyWhereASocketOnlyListens) {
  connect();
  const tcp::acceptor other(loop_, loopback());
  EXPECT_EQ(user_of(other.local_endpoint(), to_), std::nullopt);
}

// The kernel says 0 of a socket that no process has any more.
TEST_P(AwsPeerUser, IsNobodyWhereTheConnectionIsClosed) {
  connect();
  client_.close();
  EXPECT_EQ(user_of(from_, to_), std::nullopt) << "half closed";
  server_.close();
  EXPECT_EQ(user_of(from_, to_), std::nullopt) << "waiting for its time to end";
}

INSTANTIATE_TEST_SUITE_P(Loopback, AwsPeerUser, testing::Values("127.0.0.1", "::1"));

TEST(AwsPeerUserOfBothFamilies, IsKnownOfAnIpv4AddressInIpv6) {
  boost::asio::io_context loop;
  tcp::acceptor acceptor(loop, {make_address("127.0.0.1"), 0});
  tcp::socket client(loop);
  client.connect({make_address("::ffff:127.0.0.1"), acceptor.local_endpoint().port()});
  const tcp::socket server = acceptor.accept();
  EXPECT_EQ(user_of(server.remote_endpoint(), server.local_endpoint()), ::geteuid());
}

}  // namespace
}  // namespace holdfast::aws
