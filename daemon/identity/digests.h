// SHA-256 of executables, made piece by piece between questions, so that a large one delays nobody else.
#pragma once

#include <compare>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "daemon/base/openssl.h"
#include "daemon/base/posix.h"
#include "daemon/identity/executable.h"

namespace holdfast::identity {

class Digests {
 public:
  static constexpr std::uint64_t kMostBytes = 256 * 1024 * 1024;

  struct Answer {
    bool pending = false;  // ask again
    std::string hex;       // empty where it can't be read, is too large, or lies on the network
  };
  // Kept by device, inode, size and times: of a file that was written to, it is made again.
  Answer of(const Executable& executable);

  bool busy() const { return !jobs_.empty(); }
  void work();  // one piece of the oldest

 private:
  struct Version {
    std::uint64_t device, inode, size;
    std::int64_t modified, modified_ns, changed, changed_ns;
    auto operator<=>(const Version&) const = default;
  };
  struct Job {
    Version version;
    UniqueFd file;
    EvpMdCtx context;
    std::uint64_t read = 0;
  };
  static Version version_of(const struct statx& file);
  bool start(const Executable& executable, const Version& version);
  void finish();

  std::map<Version, std::string> known_;
  std::deque<Job> jobs_;
  std::vector<char> piece_;
};

}  // namespace holdfast::identity
