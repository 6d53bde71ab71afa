#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"
#include "daemon/config/config.h"

namespace holdfast::config {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;
constexpr std::size_t kMaxFiles = 1000;

std::filesystem::path folder_of(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

std::vector<std::string> policy_files(const std::string& path) {
  const std::filesystem::path folder = folder_of(path) / "policy.d";
  std::error_code ec;
  std::vector<std::string> files;
  std::filesystem::directory_iterator entry(folder, ec);
  if (ec == std::errc::no_such_file_or_directory) return files;
  for (; !ec && entry != std::filesystem::directory_iterator(); entry.increment(ec)) {
    const std::string name = entry->path().filename().string();
    // A dot file is what an editor leaves behind.
    if (name.starts_with('.') || !name.ends_with(".toml")) continue;
    files.push_back(entry->path().string());
    if (files.size() > kMaxFiles)
      throw Error(ErrorKind::too_large, folder.string() + " has more than " +
                                            std::to_string(kMaxFiles) +
                                            " files: put several grants into one");
  }
  if (ec)
    throw Error(ErrorKind::internal, "can't list " + folder.string() + ": " + ec.message(),
                "policy.d", ec.value());
  std::ranges::sort(files);
  return files;
}

void check_one(const std::string& path, std::string_view what) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    throw_errno(errno == ENOENT ? ErrorKind::not_found : ErrorKind::internal, "stat " + path);
  if (status.st_uid != 0 && status.st_uid != ::geteuid())
    throw Error(ErrorKind::invalid_request, path + ": the " + std::string(what) +
                                                " belongs to uid " + std::to_string(status.st_uid) +
                                                ", who could change what is allowed: chown root " +
                                                path);
  // In a sticky folder (/tmp) nobody can replace a file of ours.
  const bool sticky_folder = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky_folder)
    throw Error(ErrorKind::invalid_request,
                path + ": the " + std::string(what) +
                    " can be written by its group or by everyone: chmod go-w " + path);
}

}  // namespace

std::vector<File> read_files(const std::string& path) {
  std::vector<File> files{{path, read_file(path, kMaxFileBytes)}};
  for (const std::string& name : policy_files(path))
    files.push_back({name, read_file(name, kMaxFileBytes)});
  return files;
}

void check_ownership(const std::string& path) {
  check_one(folder_of(path).string(), "folder");
  check_one(path, "file");
  const std::vector<std::string> grants = policy_files(path);
  if (!grants.empty()) check_one((folder_of(path) / "policy.d").string(), "folder");
  for (const std::string& name : grants) check_one(name, "file");
}

}  // namespace holdfast::config
