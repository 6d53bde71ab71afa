// How a command ends when it does not end well: an exit code that scripts can act on, what
// happened, and what to do about it.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "daemon/base/error.h"

namespace holdfast::cli {

// sdk/API.md, "Command line".
enum class Exit : int { done = 0, failed = 1, usage = 2, refused = 3, later = 4 };

class Failure : public std::exception {
 public:
  Failure(Exit exit, std::string message, std::string advice = {})
      : exit_(exit), message_(std::move(message)), advice_(std::move(advice)) {}

  // From a problem+json body of the daemon; `admin` and the request's target choose the advice.
  static Failure from_problem(unsigned status, std::string_view body, std::string_view request_id,
                              bool admin, std::string_view target = {});
  // From an error of the daemon's own libraries, used offline.
  static Failure from_error(const Error& error);

  Exit exit() const { return exit_; }
  const std::string& message() const { return message_; }
  const std::string& advice() const { return advice_; }    // one line, or empty
  const std::string& problem() const { return problem_; }  // the daemon's JSON, or empty
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  Exit exit_;
  std::string message_;
  std::string advice_;
  std::string problem_;
};

}  // namespace holdfast::cli
