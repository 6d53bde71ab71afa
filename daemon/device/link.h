// The core's end of one link: whole messages in and out, without waiting.
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "daemon/base/posix.h"
#include "daemon/device/message.h"

namespace holdfast::device {

// On the event loop's thread alone.
class Link : public std::enable_shared_from_this<Link> {
 public:
  using Received = std::function<void(ByteView)>;
  using Closed = std::function<void()>;

  // Calls `received` for each message until close(), or `closed`, once, when the other end is gone.
  // Neither is called from inside open(), send() or close().
  static std::shared_ptr<Link> open(boost::asio::io_context& loop, UniqueFd socket,
                                    Received received, Closed closed);
  Link(boost::asio::io_context& loop, Received received, Closed closed);

  // False where the socket takes no more at present, or its other end is gone (`closed` then follows).
  bool send(const Wire& wire);
  void close();

 private:
  void wait();
  void drain();

  boost::asio::posix::stream_descriptor socket_;
  Received received_;
  Closed closed_;
  Wire buffer_;
};

}  // namespace holdfast::device
