// What Log::open does with the files of the process before: take back what a crash left half done,
// and refuse what a crash can't explain.
#pragma once

#include "daemon/audit/disk.h"
#include "daemon/audit/log.h"

namespace holdfast::audit {

// Returns the tree as the files give it, never smaller than the checkpoint's and equal to it where
// they overlap. Throws Error{audit_unavailable} that names the file, the line and what to do.
Tree recover(Disk& disk, const LogState& checkpoint);

}  // namespace holdfast::audit
