#include "daemon/device/link.h"

#include <sys/socket.h>

#include <cerrno>

namespace holdfast::device {

Link::Link(boost::asio::io_context& loop, Received received, Closed closed)
    : socket_(loop),
      received_(std::move(received)),
      closed_(std::move(closed)),
      buffer_(kBufferBytes) {}

std::shared_ptr<Link> Link::open(boost::asio::io_context& loop, UniqueFd socket, Received received,
                                 Closed closed) {
  auto link = std::make_shared<Link>(loop, std::move(received), std::move(closed));
  link->socket_.assign(socket.get());
  socket.release();
  link->wait();
  return link;
}

bool Link::send(const Wire& wire) {
  for (;;) {
    const ssize_t sent =
        ::send(socket_.native_handle(), wire.data(), wire.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return true;
    if (errno != EINTR) return false;
  }
}

void Link::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Link::wait() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (!error && self->socket_.is_open()) self->drain();
                     });
}

void Link::drain() {
  while (socket_.is_open()) {
    const ssize_t size =
        ::recv(socket_.native_handle(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return wait();
    if (size <= 0) {
      close();
      return closed_();
    }
    received_(ByteView(buffer_.data(), static_cast<std::size_t>(size)));
    cleanse(buffer_.data(), static_cast<std::size_t>(size));
  }
}

}  // namespace holdfast::device
