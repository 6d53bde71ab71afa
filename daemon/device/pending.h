// One command, from the call to its answer.
#pragma once

#include <boost/asio/any_completion_handler.hpp>

#include <chrono>
#include <cstdint>
#include <exception>

#include "daemon/device/client.h"
#include "daemon/device/message.h"

namespace holdfast::device {

using Completion = boost::asio::any_completion_handler<void(std::exception_ptr, Answer)>;

struct Kind {
  std::size_t expects;                 // index in Answer
  std::chrono::milliseconds deadline;  // once it is the oldest under way
  bool repeatable;                     // gives the same when it is done twice
};
Kind kind_of(const Command& command, const Settings& settings);

struct Pending {
  std::uint64_t id;
  std::uint32_t caller;
  Wire wire;
  Kind kind;
  std::chrono::steady_clock::time_point since;
  Completion completion;  // empty for a check, and once the caller was told
};

}  // namespace holdfast::device
