// One set of credentials on disk, for all processes of one user: $XDG_CACHE_HOME/holdfast/aws,
// else ~/.cache/holdfast/aws, a folder of mode 0700 with files of mode 0600. What is another
// user's, open to others or torn is not taken. Nothing here throws: what can't be kept is warned of.
#pragma once

#include <optional>
#include <string>

#include "daemon/base/posix.h"
#include "sdk/aws/credentials.h"

namespace holdfast::aws {

class Cache {
 public:
  // `name`: fingerprint() of the request. Makes the folder if need be.
  Cache(std::string name, Warn warn);

  std::optional<Credentials> read();

  enum class Lock { taken, busy, impossible };
  // Once: whether no other process holds it. Released with the object, and with the process.
  Lock try_lock();

  // Whole or not at all. Only with the lock taken.
  void write(const Credentials& credentials);

 private:
  void warn(const std::string& line);  // once for the same line
  void open_folder();

  std::string name_;
  Warn warn_;
  std::string warned_;
  std::string path_;
  UniqueFd folder_;
  UniqueFd lock_;
};

}  // namespace holdfast::aws
