// What is on disk of a device's PIN: that a token refused it, so that no process started later gives it again. Neither
// the PIN nor a digest of it.
//
// The core makes the file and keeps it, the device process gets it open: it writes ahead of each try, and clears it
// after a good one. So a process that dies in C_Login has counted, and a refusal needs nobody who lives to note it.
#pragma once

#include <string>

#include "daemon/base/posix.h"

namespace holdfast {

class PinMark {
 public:
  enum class Word {
    none,
    begun,    // a try was begun, and nobody knows how it ended: one more is made
    refused,  // none is made
    accepted,  // an administrator says that the PIN is right: one is made, whatever the token says of those before
  };

  // Of no file: always none.
  PinMark() = default;
  explicit PinMark(UniqueFd file) : file_(std::move(file)) {}

  // The file at `path`, made if it is not there. Throws Error{internal} with errno.
  static PinMark at(const std::string& path);

  // Throws Error{internal} with errno. What nobody wrote reads as refused.
  Word read() const;
  // Durable when it returns. Throws Error{internal} with errno.
  void write(Word word) const;

  int fd() const { return file_.get(); }

 private:
  UniqueFd file_;
};

}  // namespace holdfast
