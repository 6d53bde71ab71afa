#include "daemon/socket/request_id.h"

#include "daemon/base/openssl.h"

namespace holdfast::socket {
namespace {
constexpr std::size_t kIdBytes = 16;
constexpr std::size_t kDraw = 64 * kIdBytes;
}  // namespace

std::string RequestIds::next() {
  if (used_ == random_.size()) {
    random_ = random_bytes(kDraw);
    used_ = 0;
  }
  const ByteView id = ByteView(random_).subspan(used_, kIdBytes);
  used_ += kIdBytes;
  return to_hex(id);
}

}  // namespace holdfast::socket
