#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"
#include "daemon/config/config.h"
#include "daemon/config/table.h"

namespace holdfast::config {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;
constexpr std::size_t kMaxFiles = 1000;
constexpr int kMaxDepth = 8;  // of includes

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

// Without dots and links; of what can't be followed, the path as it is, which then can't be read.
std::filesystem::path canonical_of(const std::filesystem::path& path) {
  std::error_code ec;
  const auto canonical = std::filesystem::weakly_canonical(path, ec);
  return ec ? path.lexically_normal() : canonical;
}

enum class Trust { anyone, owned };

// Reads a file and behind it what it includes. Nothing is read before it is checked.
class Reader {
 public:
  Reader(const std::string& path, Trust trust)
      : folder_(canonical_of(folder_of(path))), trust_(trust) {}

  void read(const std::string& path) {
    const std::filesystem::path canonical = canonical_of(path);
    if (trust_ == Trust::owned) {
      // It may be a link: then whoever may write where it leads can put another file there.
      check_one(canonical.parent_path().string(), "folder");
      check_one(path, "file");
    }
    take(path, canonical, 0);
  }
  std::vector<File> files;

 private:
  void take(const std::string& name, const std::filesystem::path& canonical, int depth) {
    seen_.push_back(canonical);
    files.push_back({name, read_file(name, kMaxFileBytes)});
    // Most have none, and are parsed when all are there. A backslash may hide the word.
    const std::string& text = files.back().text;
    if (text.find("include") == std::string::npos && text.find('\\') == std::string::npos) return;
    const toml::table parsed = parse_toml(name, text);
    Table root(parsed, name, "");
    for (const std::string& path : root.texts("include")) include(root, name, path, depth + 1);
  }

  void include(const Table& from, const std::string& file, const std::string& path, int depth) {
    if (path.empty() || has_control(path)) from.fail("include", "has to name files");
    const auto canonical = canonical_of(folder_of(file) / path);
    const std::string name = canonical.string();
    // The core can't read elsewhere, and who may write there is not looked at.
    const auto inside = canonical.lexically_relative(folder_);
    if (inside.empty() || *inside.begin() == "..")
      from.fail("include", "names " + name + ", which is not below " + folder_.string());
    if (std::ranges::find(seen_, canonical) != seen_.end())
      from.fail("include", "names " + name + ", which is read already: each file counts once");
    if (depth > kMaxDepth)
      from.fail("include", "names " + name + ", at the end of more than " +
                               std::to_string(kMaxDepth) + " files that include each other");
    if (++included_ > kMaxFiles)
      from.fail("include", "is one of more than " + std::to_string(kMaxFiles) +
                               ": put several grants into one");
    std::error_code ec;
    if (!std::filesystem::is_regular_file(canonical, ec))
      from.fail("include", "names " + name + ", which is no file: make it, or correct the name");
    if (trust_ == Trust::owned) {
      for (auto above = canonical.parent_path(); above != folder_; above = above.parent_path())
        check_one(above.string(), "folder");
      check_one(name, "file");
    }
    take(name, canonical, depth);
  }

  const std::filesystem::path folder_;
  const Trust trust_;
  std::size_t included_ = 0;
  std::vector<std::filesystem::path> seen_;
};

std::vector<File> read_all(const std::string& path, Trust trust) {
  if (trust == Trust::owned) check_one(folder_of(path).string(), "folder");
  Reader reader(path, trust);
  reader.read(path);
  const std::vector<std::string> grants = policy_files(path);
  if (trust == Trust::owned && !grants.empty())
    check_one((folder_of(path) / "policy.d").string(), "folder");
  for (const std::string& name : grants) reader.read(name);
  return std::move(reader.files);
}

}  // namespace

std::vector<File> read_files(const std::string& path) {
  return read_all(path, Trust::anyone);
}

void check_ownership(const std::string& path) {
  read_all(path, Trust::owned);
}

}  // namespace holdfast::config
