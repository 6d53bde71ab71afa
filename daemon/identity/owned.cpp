#include "daemon/identity/owned.h"

#include <fcntl.h>

#include <string>

namespace holdfast::identity {
namespace {

bool only_root_writes(const struct statx& file) {
  return file.stx_uid == 0 && (file.stx_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace

bool inspect(int folder, const char* path, int flags, struct statx& file) {
  return ::statx(folder, path, flags | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &file) == 0;
}

bool is_same_file(const struct statx& one, const struct statx& other) {
  return one.stx_ino == other.stx_ino && one.stx_dev_major == other.stx_dev_major &&
         one.stx_dev_minor == other.stx_dev_minor;
}

UniqueFd open_owned_by_root(std::string_view path, struct statx& file) {
  UniqueFd here(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!here || !inspect(here.get(), "", AT_EMPTY_PATH, file)) return {};
  while (!path.empty()) {
    if (!only_root_writes(file)) return {};
    path.remove_prefix(1);
    const auto slash = path.find('/');
    const std::string name(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash);
    if (name.empty() || name == "." || name == "..") return {};
    here = UniqueFd(::openat(here.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!here || !inspect(here.get(), "", AT_EMPTY_PATH, file)) return {};
  }
  return only_root_writes(file) ? std::move(here) : UniqueFd();
}

}  // namespace holdfast::identity
