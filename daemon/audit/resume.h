// A suspended coroutine that waits for the disk, whatever its handler's type.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <memory>
#include <utility>

namespace holdfast::audit {

// Called once, with an error or the values.
template <class... Values>
class Resume {
 public:
  virtual ~Resume() = default;
  virtual void operator()(std::exception_ptr error, Values... values) = 0;

  // Suspends, hands the handler to `take` and returns what it is resumed with.
  template <class Take>
  static auto wait(Take take) {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&,
                                       void(std::exception_ptr, Values...)>(
        [take = std::move(take)](auto handler) mutable {
          take(std::make_unique<Holder<decltype(handler)>>(std::move(handler)));
        },
        boost::asio::use_awaitable);
  }

 private:
  template <class Handler>
  class Holder;
};

template <class... Values>
template <class Handler>
class Resume<Values...>::Holder final : public Resume<Values...> {
 public:
  explicit Holder(Handler handler) : handler_(std::move(handler)) {}
  void operator()(std::exception_ptr error, Values... values) override {
    std::move(handler_)(std::move(error), values...);
  }

 private:
  Handler handler_;
};

}  // namespace holdfast::audit
