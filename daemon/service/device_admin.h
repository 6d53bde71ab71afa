// What an administrator says about a device.
#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "daemon/base/json.h"
#include "daemon/service/service.h"

namespace holdfast {

// Replies are sdk/API.md's; each method throws its errors (conflict, not_found, …).
class DeviceAdmin {
 public:
  explicit DeviceAdmin(Service& service) : service_(service) {}

  // The device answers to another storage root than before, and that is to be its own from now on. One that
  // is given no PIN, because one was refused, is given it once more.
  boost::asio::awaitable<json::object> accept(std::string name);

 private:
  boost::asio::awaitable<void> set_parent(const std::string& device, const std::string& parent);

  Service& service_;
};

}  // namespace holdfast
