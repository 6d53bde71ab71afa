#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>

#include "daemon/audit/lines.h"
#include "daemon/base/error.h"

namespace holdfast::audit {

std::string segment_path(const std::string& folder, std::string_view kind, std::uint64_t first) {
  char name[32];
  std::snprintf(name, sizeof name, "/%012llu.jsonl", static_cast<unsigned long long>(first));
  return folder + "/" + std::string(kind) + name;
}

std::vector<std::uint64_t> list_segments(const std::string& folder, std::string_view kind) {
  const std::string path = folder + "/" + std::string(kind);
  std::vector<std::uint64_t> list;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(path.c_str()), ::closedir);
  if (!entries) {
    if (errno == ENOENT) return list;
    throw_errno(ErrorKind::audit_unavailable, "open " + path);
  }
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    std::uint64_t first = 0;
    if (name.size() == 18 && name.ends_with(".jsonl") &&
        std::from_chars(name.data(), name.data() + 12, first).ptr == name.data() + 12)
      list.push_back(first);
  }
  std::ranges::sort(list);
  return list;
}

LineReader::LineReader(std::string path)
    : path_(std::move(path)), fd_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) {
  if (!fd_ && errno != ENOENT) throw_errno(ErrorKind::audit_unavailable, "open " + path_);
}

bool LineReader::fill() {
  if (!fd_) return false;
  if (begin_ != 0) {
    buffer_.erase(0, begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  constexpr std::size_t kPart = 64 * 1024;
  if (buffer_.size() < end_ + kPart) buffer_.resize(end_ + kPart);
  ssize_t n;
  do {
    n = ::pread(fd_.get(), buffer_.data() + end_, buffer_.size() - end_,
                static_cast<off_t>(offset_ + end_));
  } while (n < 0 && errno == EINTR);
  if (n < 0) throw_errno(ErrorKind::audit_unavailable, "read " + path_);
  end_ += static_cast<std::size_t>(n);
  return n > 0;
}

std::optional<std::string_view> LineReader::next() {
  std::size_t searched = 0;
  for (;;) {
    const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
    const std::size_t newline = rest.find('\n', searched);
    if (newline != std::string_view::npos) {
      begin_ += newline + 1;
      offset_ += newline + 1;
      return rest.substr(0, newline);
    }
    searched = rest.size();
    if (searched > kMaxLineBytes || !fill()) return std::nullopt;
  }
}

LineReader::Rest LineReader::rest() {
  Rest found = Rest::nothing;
  std::uint64_t at = offset_;
  char part[16384];
  while (fd_) {
    const ssize_t n = ::pread(fd_.get(), part, sizeof part, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno(ErrorKind::audit_unavailable, "read " + path_);
    if (n == 0) break;
    const std::string_view text(part, static_cast<std::size_t>(n));
    if (text.find('\0') != std::string_view::npos) return Rest::unwritten;
    if (text.find('\n') != std::string_view::npos) found = Rest::other;
    if (found == Rest::nothing) found = Rest::torn;
    at += static_cast<std::uint64_t>(n);
  }
  return found;
}

void LineReader::skip_to(std::uint64_t offset) {
  offset_ = offset;
  begin_ = end_ = 0;
}

void LineReader::drop_cached() {
  if (!fd_) return;
  skip_to(offset_);
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  ::posix_fadvise(fd_.get(), static_cast<off_t>(offset_ / page * page), 0, POSIX_FADV_DONTNEED);
}

}  // namespace holdfast::audit
