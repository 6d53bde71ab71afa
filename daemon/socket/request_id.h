// Names for requests: 16 random bytes in hex, so that nobody can guess another's.
#pragma once

#include <cstddef>
#include <string>

#include "daemon/base/bytes.h"

namespace holdfast::socket {

// Draws randomness for many at once: a draw costs more than the rest of a request's framing.
class RequestIds {
 public:
  std::string next();

 private:
  Bytes random_;
  std::size_t used_ = 0;
};

}  // namespace holdfast::socket
