// What root alone can have put into the file system.
#pragma once

#include <sys/stat.h>

#include <string_view>

#include "daemon/base/posix.h"

namespace holdfast::identity {

// The file or folder of an absolute path, as an O_PATH descriptor, if it and every folder above it belong to root
// and nobody else may write them; else invalid. It follows no link and leaves at the first folder that somebody
// else could have changed, so it never enters a file system that a user mounted. `file` is what it is.
UniqueFd open_owned_by_root(std::string_view path, struct statx& file);

// AT_STATX_DONT_SYNC: another user's FUSE server must not be able to stall us.
bool inspect(int folder, const char* path, int flags, struct statx& file);

bool is_same_file(const struct statx& one, const struct statx& other);

}  // namespace holdfast::identity
