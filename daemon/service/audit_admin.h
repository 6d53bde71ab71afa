// What an administrator reads of the log, and drops from it.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/awaitable.hpp>

#include "daemon/base/json.h"
#include "daemon/service/service.h"

namespace holdfast {

// Bodies and replies are sdk/API.md's; each method throws its errors (conflict, not_found, …).
class AuditAdmin {
 public:
  explicit AuditAdmin(Service& service) : service_(service) {}

  // At most `limit` records, from the one after number `after`.
  boost::asio::awaitable<json::object> read(std::int64_t after, std::int64_t limit);
  // For `audit verify --device`.
  boost::asio::awaitable<json::object> anchor(std::uint64_t account);
  boost::asio::awaitable<json::object> prune(std::string_view body);
  boost::asio::awaitable<json::object> request(std::string id);

  // What this call did, for its record; empty where it changed nothing.
  std::string take_done() { return std::exchange(done_, {}); }

 private:
  std::string folder() const { return service_.config.state_dir + "/audit"; }

  Service& service_;
  std::string done_;
};

}  // namespace holdfast
