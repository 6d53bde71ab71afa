// What Log::open does with the files of the process before: take back what a crash left half done,
// and refuse what a crash can't explain.
#pragma once

#include <functional>

#include "daemon/audit/disk.h"
#include "daemon/audit/log.h"

namespace holdfast::audit {

// Returns the tree as the files give it, never smaller than the head's and equal to it where
// they overlap. Throws Error{audit_unavailable} that names the file, the line and what to do. So may `accept`, which
// sees the tree before anything is changed.
Tree recover(Disk& disk, const LogState& head, const std::function<void(const Tree&)>& accept);

// Writes the segment of `tail` anew, to new files: what was durable before it, then the tail. Throws
// Error{audit_unavailable}, SyncFailed; the former files are there until the new ones are whole.
void rewrite(Disk& disk, const Tail& tail);

}  // namespace holdfast::audit
