// What is said about the log: its head, its signed checkpoints, and checkpoints that were kept elsewhere. Each says
// that so many first records have this root.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/audit/checkpoint.h"
#include "daemon/audit/reader.h"
#include "daemon/audit/tree.h"

namespace holdfast::audit {

class Claims {
 public:
  using Fault = std::function<void(const std::string&)>;

  // Reads what `folder` holds, and the saved notes; what is damaged or not signed by one of the keys (where there are
  // any) is a fault. Before the records: those of a log that is being written to can only be more.
  Claims(const std::string& folder, const VerifyOptions& options, Fault fault);

  // Call with each size of the growing tree, from 0 on.
  void compare(const Tree& tree);
  // The log ends at this size: what says more is a fault.
  void end_at(std::uint64_t size);

  bool any() const { return !claims_.empty(); }
  std::uint64_t head() const { return head_; }  // records that are known to be on the disk
  const std::optional<SignedCheckpoint>& newest() const {
    return newest_;
  }                                               // of the folder's own, readable ones
  std::uint64_t saved() const { return saved_; }  // of the largest saved one; 0: none

 private:
  struct Claim {
    LogState state;
    std::string who;
    std::string otherwise;  // what happened if it does not hold
  };
  void load_head(const std::string& folder);
  std::optional<SignedCheckpoint> load_note(const std::string& who, const std::string& note,
                                            std::string otherwise);
  void load_stored(const std::string& folder);

  const VerifyOptions& options_;
  const Fault fault_;
  std::vector<Claim> claims_;  // ascending
  std::size_t next_ = 0;
  std::uint64_t head_ = 0, saved_ = 0;
  std::optional<SignedCheckpoint> newest_;
};

}  // namespace holdfast::audit
