// The core's end of holdfast-caller, the one process that may look into those of other users (CAP_SYS_PTRACE,
// and no Landlock domain, which would hide them).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "daemon/base/posix.h"
#include "daemon/identity/question.h"

namespace holdfast::identity {

// On the event loop's thread alone.
class Processes {
 public:
  // `overdue`: the process says nothing, or nothing that can be read, and has to be replaced.
  static std::unique_ptr<Processes> make(boost::asio::io_context& loop,
                                         std::function<void()> overdue);
  virtual ~Processes() = default;

  // A new holdfast-caller is at the other end of this SOCK_SEQPACKET socket. What the last one owed is
  // asked again.
  virtual void attach(UniqueFd link) = 0;

  // What the process that `pidfd` stands for runs and where; nullopt if there is no answer within a second.
  // `pidfd` is the caller's, and has to stay open until then. `measure`: its executable's digest too, for which
  // it may have to be asked again.
  virtual boost::asio::awaitable<std::optional<Process>> of(int pidfd, bool measure) = 0;

  // Why nothing, or not everything, can be known of processes now; empty if it can.
  virtual std::string gap() const = 0;
};

}  // namespace holdfast::identity
