// The log's folder as the log writes it: system calls through Files, errors with what to do, and
// what still has to be made durable.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/audit/files.h"
#include "daemon/audit/tree.h"
#include "daemon/base/posix.h"

namespace holdfast::audit {

// Paths are relative to the folder. Throws Error{audit_unavailable}, and SyncFailed from sync
// alone.
class Disk {
 public:
  Disk(std::string folder, Files& files) : folder_(std::move(folder)), files_(files) {}

  const std::string& folder() const { return folder_; }

  void make_folder(const std::string& path);  // "" for the folder itself; it may exist
  UniqueFd open(const std::string& path, int flags);
  void write(int fd, std::string_view text, const std::string& path);
  void truncate(int fd, std::uint64_t size, const std::string& path);
  std::uint64_t size(int fd, const std::string& path);
  // A file of its own, whatever was there: pages of one whose fsync failed are never synced again.
  UniqueFd open_new(const std::string& path);
  void write_tile(const Tile& tile);
  // The whole file or the former one, durable when it returns; `fill` writes the new one.
  void replace(const std::string& path, const std::function<void(int fd)>& fill);
  void replace(const std::string& path, std::string_view text);
  void remove(const std::string& path);  // it may be gone already
  void sync_parent();                    // the entry of the folder itself

  // Hands over a file that was written and is done with: sync() includes it.
  void sync_later(UniqueFd fd) { unsynced_.push_back(std::move(fd)); }
  bool has_unsynced() const { return !unsynced_.empty() || !folders_.empty(); }
  void sync();
  void sync(int fd, const std::string& path);

 private:
  std::string full(const std::string& path) const {
    return path.empty() ? folder_ : folder_ + "/" + path;
  }
  void sync_folder(const std::string& path);

  std::string folder_;
  Files& files_;
  std::vector<UniqueFd> unsynced_;
  std::set<std::string> folders_;  // whose entries changed
};

}  // namespace holdfast::audit
