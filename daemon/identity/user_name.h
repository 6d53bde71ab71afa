// The name of a uid in the user database.
#pragma once

#include <sys/types.h>

#include <string>

namespace holdfast::identity {

// Empty if the uid has none. A name that was asked for in the last ten minutes comes from a cache
// of 256; else this is getpwuid_r, which blocks for as long as the machine's name services take: a
// fraction of a millisecond for files, longer where a network service answers. Policy never depends
// on it: grants are resolved to uids when they are loaded.
std::string user_name(uid_t uid);

}  // namespace holdfast::identity
