// What core and holdfast-caller say to each other: a number with a pidfd beside it, and the same number
// with what that process is. One message each, over a SOCK_SEQPACKET pair.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/base/posix.h"

namespace holdfast::identity {

inline constexpr std::size_t kMaxCgroupText = 16 * 1024;
// Of the answer that nobody asked for, the first: `exe` is why processes can't be seen, empty if they can.
inline constexpr std::uint64_t kGapId = 0;

struct Question {
  std::uint64_t id = 0;
  UniqueFd pidfd;
  bool measure = false;  // the executable's digest is wanted too
};
// Empty texts for what could not be read; all of them once the process has ended.
struct Process {
  std::string exe{};     // as executable_of() says
  std::string cgroup{};  // the text of /proc/PID/cgroup
  std::string label{};   // these three as assigned_in() says, where root alone can have named it so
  std::string container{};
  std::string pod{};
  std::string exe_sha256{};  // where it was asked for
  bool nested = true;        // in a pid namespace below ours, or in which is not known
  bool measuring = false;    // the digest is being made: ask again
};
struct Answer {
  std::uint64_t id = 0;
  Process process;
};

// False where the other end is gone or takes no more.
bool send_question(int socket, std::uint64_t id, int pidfd, bool measure = false);
bool send_answer(int socket, const Answer& answer);

// Is the other end gone?
bool is_closed(int socket);

// nullopt at the end of file, and for what is no such message.
std::optional<Question> receive_question(int socket);
std::optional<Answer> receive_answer(int socket);

}  // namespace holdfast::identity
