// The static resources of https://c2sp.org/tlog-tiles: what a web server needs so that others can follow the log.
#pragma once

#include <string>

namespace holdfast::audit {

// Writes into `target`, which may hold an earlier export: full tiles and entry bundles that are not there yet, the
// partial ones of the checkpoint `note`'s size, and last `checkpoint`, so that what it needs is there before it. Records
// are in it whole, details are not. Throws Error{audit_unavailable} where the files don't give the checkpoint's root,
// Error{conflict} where `target` has another log's export.
void export_log(const std::string& folder, const std::string& note, const std::string& target);

}  // namespace holdfast::audit
