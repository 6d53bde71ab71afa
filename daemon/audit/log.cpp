#include "daemon/audit/log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "daemon/audit/checkpoint.h"
#include "daemon/audit/disk.h"
#include "daemon/audit/head.h"
#include "daemon/audit/lines.h"
#include "daemon/audit/mirror.h"
#include "daemon/audit/proof.h"
#include "daemon/audit/recovery.h"

namespace holdfast::audit {
namespace {

constexpr std::chrono::seconds kLockPatience{2};

UniqueFd lock(const Disk& disk) {
  const std::string path = disk.folder() + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) throw_errno(ErrorKind::audit_unavailable, "open " + path);
  const auto end = std::chrono::steady_clock::now() + kLockPatience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      throw_errno(ErrorKind::audit_unavailable, "lock " + path);
    if (std::chrono::steady_clock::now() >= end)
      throw Error(
          ErrorKind::audit_unavailable,
          "the audit log in " + disk.folder() + " is open in another process: stop that one first");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return fd;
}

void require_private(const std::string& folder) {
  struct stat status {};
  if (::lstat(folder.c_str(), &status) != 0)
    throw_errno(ErrorKind::audit_unavailable, "examine " + folder);
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 0022) != 0)
    throw Error(ErrorKind::audit_unavailable,
                folder +
                    " has to be a folder that the daemon's user owns and no one else can write: "
                    "chown and chmod 0700 it");
}

class DiskLog final : public Log {
 public:
  DiskLog(const std::string& folder, bool fsync, Files& files, const Tail* tail, Mirror* mirror)
      : disk_(folder, files), fsync_(fsync), mirror_(mirror) {
    disk_.make_folder("");
    require_private(folder);
    lock_ = lock(disk_);
    const LogState last = last_head();
    for (const char* path : {"leaves", "details", "tile", "checkpoints"}) disk_.make_folder(path);
    if (tail != nullptr) rewrite(disk_, *tail);
    tree_ = recover(disk_, last, [&](const Tree& tree) { require_checkpoints(tree.size()); });
    synced_ = tree_.size();
    if (tail != nullptr) require_whole(*tail);
    headed_ = last.size;
    // What came after the head the process before may have left in the kernel's memory alone.
    for (std::uint64_t first = last.size / kSegmentLeaves * kSegmentLeaves;
         tree_.size() != last.size && first < tree_.size(); first += kSegmentLeaves)
      for (const char* kind : {"details", "leaves"})
        disk_.sync_later(disk_.open(segment_path("", kind, first).substr(1), O_WRONLY));
    if (tree_.size() != last.size || disk_.has_unsynced()) store_head();
  }

  std::uint64_t append(std::span<const Record> records) override {
    const std::uint64_t first = tree_.size();
    guarded([&] {
      while (!records.empty()) {
        const std::uint64_t room = kSegmentLeaves - tree_.size() % kSegmentLeaves;
        const auto part = records.first(std::min<std::size_t>(records.size(), room));
        append_to_segment(part);
        records = records.subspan(part.size());
      }
      if (fsync_) sync();
    });
    return first;
  }

  void store_head() override {
    guarded([&] {
      sync();
      disk_.replace("head", to_text(state()));
      headed_ = tree_.size();
    });
  }

  void publish(std::uint64_t size, std::string_view note) override {
    guarded([&] {
      disk_.replace(checkpoint_path(size), note);
      disk_.replace("checkpoint", note);
      auto kept = list_checkpoints(disk_.folder());
      for (std::size_t i = 0; i + kMostCheckpoints < kept.size(); ++i)
        disk_.remove(checkpoint_path(kept[i]));
    });
  }

  std::size_t unsynced_bytes() const override {
    return unsynced_leaves_.size() + unsynced_details_.size();
  }

  Tail tail() const override { return {state(), synced_, unsynced_leaves_, unsynced_details_}; }

  std::uint64_t since_head() const override { return tree_.size() - headed_; }

  std::uint64_t size() const override { return tree_.size(); }

  LogState state() const override { return {tree_.size(), to_base64(tree_.root())}; }

 private:
  template <class Work>
  void guarded(Work work) {
    if (failed_)
      throw Error(ErrorKind::audit_unavailable,
                  "the audit log failed before and has to be opened again");
    failed_ = true;
    work();
    failed_ = false;
  }

  // An empty log is told from a lost one by the head that is written before the first record.
  LogState last_head() {
    if (const auto stored = read_head(disk_.folder())) return *stored;
    for (const std::uint64_t first : list_segments(disk_.folder(), "leaves"))
      if (LineReader(segment_path(disk_.folder(), "leaves", first)).next())
        throw Error(ErrorKind::audit_unavailable,
                    "the audit log in " + disk_.folder() +
                        " has records but no head, which is never deleted: restore it, or move the "
                        "folder away, keep it, and restart: a new log begins");
    disk_.sync();
    disk_.replace("head", to_text(state()));
    disk_.sync_parent();
    return state();
  }

  void require_whole(const Tail& tail) {
    if (tree_.size() != tail.whole.size || to_base64(tree_.root()) != tail.whole.root)
      throw Error(
          ErrorKind::audit_unavailable,
          "the audit log in " + disk_.folder() +
              " is not what was written to it: keep a copy of it, check the disk, and restart");
  }

  // A log that lost what a signed checkpoint says goes on under no circumstances: two that contradict each other
  // would be signed. A backup that was unpacked over it leaves the newer ones beside its own.
  void require_checkpoints(std::uint64_t records) {
    require(read_signed(disk_.folder()), records);
    if (const auto sizes = list_checkpoints(disk_.folder()); !sizes.empty())
      require(read_signed(disk_.folder(), sizes.back()), records);
  }

  void require(const std::optional<SignedCheckpoint>& stored, std::uint64_t records) {
    if (!stored) return;
    const LogState& said = stored->checkpoint.state;
    if (said.size <= records && has(disk_.folder(), said)) return;
    throw Error(ErrorKind::audit_unavailable,
                "the audit log in " + disk_.folder() + " is damaged: its first " +
                    std::to_string(said.size) +
                    " records are not those of its signed checkpoint. Nothing is signed with it. "
                    "Examine it with "
                    "`holdfast audit verify`, restore it, or move the folder away, keep it, and "
                    "restart: a new log "
                    "begins");
  }

  void append_to_segment(std::span<const Record> records) {
    open_segment(tree_.size() / kSegmentLeaves * kSegmentLeaves);
    leaf_text_.clear();
    details_text_.clear();
    starts_.clear();
    for (std::size_t i = 0; i < records.size(); ++i)
      starts_.push_back(write_lines(records[i], tree_.size() + i, salts_.take(kSaltBytes),
                                    leaf_text_, details_text_));
    starts_.push_back(leaf_text_.size());
    // Details first: a leaf without its details would look pruned by someone.
    disk_.write(details_.get(), details_text_, details_path_);
    disk_.write(leaves_.get(), leaf_text_, leaves_path_);
    unsynced_leaves_ += leaf_text_;
    unsynced_details_ += details_text_;
    for (std::size_t i = 0; i < records.size(); ++i) {
      const std::string_view leaf =
          std::string_view(leaf_text_).substr(starts_[i], starts_[i + 1] - starts_[i] - 1);
      if (mirror_ != nullptr) mirror_->send(tree_.size(), records[i], leaf);
      tree_.push(leaf_hash(leaf));
    }
    for (const Tile& tile : tree_.take_filled()) disk_.write_tile(tile);
  }

  void open_segment(std::uint64_t first) {
    if (leaves_ && segment_ == first) return;
    if (leaves_) sync();  // so that a crash can only have torn the last segment
    const bool fresh = tree_.size() == first;  // what lies there was written just before a crash
    const int flags = O_WRONLY | O_APPEND | (fresh ? O_CREAT | O_TRUNC : 0);
    details_path_ = segment_path("", "details", first).substr(1);
    leaves_path_ = segment_path("", "leaves", first).substr(1);
    details_ = disk_.open(details_path_, flags);
    leaves_ = disk_.open(leaves_path_, flags);
    segment_ = first;
  }

  void sync() {
    if (leaves_) {
      disk_.sync(details_.get(), "details");
      disk_.sync(leaves_.get(), "leaves");
    }
    disk_.sync();
    synced_ = tree_.size();
    unsynced_leaves_.clear();
    unsynced_details_.clear();
  }

  Disk disk_;
  const bool fsync_;
  Mirror* const mirror_;
  bool failed_ = false;
  UniqueFd lock_;
  Tree tree_;
  std::uint64_t headed_ = 0;
  std::uint64_t segment_ = 0;
  UniqueFd leaves_, details_;
  std::string leaves_path_, details_path_;
  RandomStock salts_;
  std::string leaf_text_, details_text_;  // kept for their memory
  std::vector<std::size_t> starts_;
  std::uint64_t synced_ = 0;  // records
  std::string unsynced_leaves_, unsynced_details_;
};

}  // namespace

std::unique_ptr<Log> Log::open(const std::string& folder, bool fsync, Files& files,
                               const Tail* tail, Mirror* mirror) {
  return std::make_unique<DiskLog>(folder, fsync, files, tail, mirror);
}

}  // namespace holdfast::audit
