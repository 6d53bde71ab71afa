// What one server lets its callers have.
#pragma once

#include <chrono>
#include <cstddef>

namespace holdfast::socket {

struct Limits {
  std::chrono::milliseconds request_deadline{5000};  // from a request's first byte to its last
  std::chrono::milliseconds idle{60'000};            // between requests
  std::size_t connections = 4096;
  std::size_t connections_per_user = 1024;     // of one uid; of one user's slice or container
  std::size_t connections_without_grant = 64;  // of all whom no grant names
  std::size_t buffered_bytes =
      16 * 1024 * 1024;  // of requests partly read or under way, and large replies
};

}  // namespace holdfast::socket
