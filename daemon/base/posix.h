// Small owners and wrappers of system calls.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "daemon/base/bytes.h"

namespace holdfast {

// Owns one file descriptor; closes it once.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset();
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Reads a whole file of at most `limit` bytes. Throws Error: not_found, too_large, internal.
std::string read_file(const std::string& path, std::size_t limit);

// Writes all of it or throws Error{internal} with errno; restarts after EINTR and short writes.
void write_all(int fd, std::string_view text, std::string_view where);

// Makes path's content `text`, whole or not at all, through a power cut: temporary file beside it,
// fsync, rename, fsync of the folder. Throws Error{internal} with errno.
void replace_file(const std::string& path, std::string_view text, unsigned mode);

// Makes the entries of a folder durable. Throws Error{internal} with errno.
void sync_folder(const std::string& path);

}  // namespace holdfast
