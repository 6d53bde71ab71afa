#include "daemon/key/check_value.h"

#include "daemon/base/openssl.h"

namespace holdfast {

const std::vector<Bytes>& check_message() {
  static const ByteView text = as_bytes("holdfast key check value");
  static const std::vector<Bytes> chain{Bytes(text.begin(), text.end())};
  return chain;
}

std::string check_value(const Secret& mac) {
  return to_hex(sha256(mac.view())).substr(0, 16);
}

}  // namespace holdfast
