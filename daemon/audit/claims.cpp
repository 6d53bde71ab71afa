#include "daemon/audit/claims.h"

#include <algorithm>

#include "daemon/audit/head.h"
#include "daemon/audit/lines.h"
#include "daemon/base/error.h"
#include "daemon/base/posix.h"

namespace holdfast::audit {

Claims::Claims(const std::string& folder, const VerifyOptions& options, Fault fault)
    : options_(options), fault_(std::move(fault)) {
  load_head(folder);
  load_stored(folder);
  for (const std::string& note : options.saved)
    if (const auto saved =
            load_note("the saved checkpoint", note, "rolled back, forked or rewritten"))
      saved_ = std::max(saved_, saved->checkpoint.state.size);
  std::ranges::stable_sort(claims_, {}, [](const Claim& claim) { return claim.state.size; });
}

void Claims::load_head(const std::string& folder) {
  try {
    if (const auto stored = read_head(folder)) {
      claims_.push_back({*stored, "head", "changed"});
      head_ = stored->size;
    } else if (!list_segments(folder, "leaves").empty()) {
      fault_("head: is missing");
    }
  } catch (const Error& error) {
    fault_("head: " + error.detail());
  }
}

std::optional<SignedCheckpoint> Claims::load_note(const std::string& who, const std::string& note,
                                                  std::string otherwise) {
  auto parsed = parse_checkpoint(note);
  if (!parsed) {
    fault_(who + ": is no signed checkpoint of this log, or is damaged");
    return std::nullopt;
  }
  if (!options_.keys.empty() && std::ranges::none_of(options_.keys, [&](const Bytes& key) {
        return parsed->is_signed_by(key);
      })) {
    fault_(who + ": is not signed by " +
           (options_.keys.size() == 1 ? "the key" : "one of the keys") + " that was given");
    return std::nullopt;
  }
  claims_.push_back({parsed->checkpoint.state, who, std::move(otherwise)});
  return parsed;
}

void Claims::load_stored(const std::string& folder) {
  const auto sizes = list_checkpoints(folder);
  const auto load = [&](const std::string& name, bool needed) -> std::optional<SignedCheckpoint> {
    try {
      return load_note(name, read_file(folder + "/" + name, kMostNoteBytes), "rewritten");
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_found)
        fault_(name + ": " + error.detail());
      else if (needed)
        fault_(name + ": is missing");
      return std::nullopt;
    }
  };
  newest_ = load("checkpoint", !options_.keys.empty() || !sizes.empty());
  for (const std::uint64_t size : sizes) {
    const std::string name = checkpoint_path(size);
    const auto kept = load(name, false);  // the daemon may have dropped it meanwhile
    if (!kept) continue;
    if (kept->checkpoint.state.size != size) fault_(name + ": is another one's");
    if (newest_ && newest_->checkpoint.state.size < size) newest_ = kept;
  }
}

void Claims::compare(const Tree& tree) {
  for (; next_ < claims_.size() && claims_[next_].state.size <= tree.size(); ++next_)
    if (const Claim& claim = claims_[next_]; to_base64(tree.root()) != claim.state.root)
      fault_(claim.who + ": the first " + std::to_string(claim.state.size) +
             " records do not have the root that it says: the log was " + claim.otherwise);
}

void Claims::end_at(std::uint64_t size) {
  for (; next_ < claims_.size(); ++next_)
    fault_("leaves: the log was cut or rolled back: it has " + std::to_string(size) +
           " records, and " + claims_[next_].who + " says " +
           std::to_string(claims_[next_].state.size));
}

}  // namespace holdfast::audit
