// Names for requests: 16 random bytes in hex, so that nobody can guess another's.
#pragma once

#include <string>

#include "daemon/base/openssl.h"

namespace holdfast::socket {

class RequestIds {
 public:
  std::string next() { return to_hex(random_.take(16)); }

 private:
  RandomStock random_;
};

}  // namespace holdfast::socket
