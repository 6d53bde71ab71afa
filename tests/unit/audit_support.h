// What the audit tests share: folders, records, a disk that fails on demand, and RFC 6962 once
// more.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/audit/head.h"
#include "daemon/audit/lines.h"
#include "daemon/audit/log.h"
#include "daemon/audit/reader.h"
#include "daemon/audit/tree.h"

namespace holdfast::audit {

// Sanitized runs look at fewer of many alike positions.
#ifdef HOLDFAST_SANITIZED
inline constexpr std::size_t kStride = 13;
#else
inline constexpr std::size_t kStride = 1;
#endif

class TempFolder {
 public:
  TempFolder() {
    // In memory where that exists: thousands of logs are made, and what a disk does is injected.
    const std::filesystem::path above =
        std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string pattern = (above / "holdfast-audit-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string log() const { return path_ + "/audit"; }
  std::string other(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void overwrite(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

inline std::string leaves_file(const std::string& folder, std::uint64_t first = 0) {
  return segment_path(folder, "leaves", first);
}
inline std::string details_file(const std::string& folder, std::uint64_t first = 0) {
  return segment_path(folder, "details", first);
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

inline Record sample(std::uint64_t number) {
  Record record;
  record.time = SystemTime(std::chrono::microseconds(1'767'225'600'000'000 + number));
  record.allowed = number % 3 != 0;
  record.code = record.allowed ? "ok" : "not_permitted";
  record.operation = "sign.sigv4";
  record.key = "orders-aws";
  record.version = 1;
  record.uid = 1001;
  record.policy_digest = std::string(64, 'a');
  record.signed_digest = sha256_hex(std::to_string(number));
  record.signature_digest = sha256_hex("signature " + std::to_string(number));
  record.details.request_id = "request-" + std::to_string(number);
  record.details.grant = "orders-s3";
  record.details.caller.pid = 4711;
  record.details.caller.uid = 1001;
  record.details.caller.unit = "orders.service";
  record.details.facts.add("service", "s3");
  record.details.facts.add("path", "/invoices/" + std::to_string(number));
  return record;
}

inline std::vector<Record> samples(std::uint64_t from, std::uint64_t count) {
  std::vector<Record> records;
  for (std::uint64_t i = 0; i < count; ++i) records.push_back(sample(from + i));
  return records;
}

// A log of `count` records, closed in good order.
inline void make_log(const std::string& folder, std::uint64_t count) {
  const auto log = Log::open(folder, false);
  for (std::uint64_t from = 0; from < count; from += 1000)
    log->append(samples(from, std::min<std::uint64_t>(1000, count - from)));
  log->store_head();
}

// RFC 6962 §2.1, straight from the definition.
inline std::string merkle_tree_hash(const std::string* leaves, std::size_t n) {
  const auto digest = [](const std::string& text) { return std::string(as_text(sha256(text))); };
  if (n == 0) return digest("");
  if (n == 1) return digest(std::string(1, '\x00') + leaves[0]);
  std::size_t k = 1;
  while (2 * k < n) k *= 2;
  return digest(std::string(1, '\x01') + merkle_tree_hash(leaves, k) +
                merkle_tree_hash(leaves + k, n - k));
}
inline std::string merkle_tree_hash(const std::vector<std::string>& leaves) {
  return merkle_tree_hash(leaves.data(), leaves.size());
}

// The system, until `before` says otherwise: called with the number of the call and its name, it
// returns 0 or the errno to fail with. `most` cuts a write short.
class FaultyFiles : public Files {
 public:
  std::function<int(int call, std::string_view name)> before = [](int, std::string_view) {
    return 0;
  };
  std::size_t most = SIZE_MAX;
  int calls = 0, syncs = 0;

  int open(const char* path, int flags, mode_t mode) override {
    return fails("open") ? -1 : Files::open(path, flags, mode);
  }
  ssize_t write(int fd, const char* data, std::size_t size) override {
    return fails("write") ? -1 : Files::write(fd, data, std::min(size, most));
  }
  int sync(int fd) override {
    ++syncs;
    return fails("sync") ? -1 : Files::sync(fd);
  }
  int truncate(int fd, off_t size) override {
    return fails("truncate") ? -1 : Files::truncate(fd, size);
  }
  int rename(const char* from, const char* to) override {
    return fails("rename") ? -1 : Files::rename(from, to);
  }
  int remove(const char* path) override { return fails("remove") ? -1 : Files::remove(path); }
  int make_folder(const char* path, mode_t mode) override {
    return fails("make_folder") ? -1 : Files::make_folder(path, mode);
  }

 private:
  bool fails(std::string_view name) {
    const int code = before(calls++, name);
    if (code != 0) errno = code;
    return code != 0;
  }
};

template <class Step>
std::string refusal_of(Step step) {
  try {
    step();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::audit_unavailable) << error.what();
    return error.what();
  }
  return "";
}

}  // namespace holdfast::audit
