#include "daemon/identity/digests.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "daemon/base/error.h"
#include "daemon/identity/owned.h"

namespace holdfast::identity {
namespace {

constexpr std::size_t kPiece = 256 * 1024;
constexpr std::size_t kMostJobs = 8;
constexpr std::size_t kMostKnown = 1024;

// Whose server could keep us waiting without an end. (linux/magic.h has no name for these but the first two.)
bool is_remote(int file) {
  struct statfs system {};
  if (::fstatfs(file, &system) != 0) return true;
  constexpr std::array<std::uint32_t, 5> kinds{NFS_SUPER_MAGIC, AFS_SUPER_MAGIC,
                                               0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */,
                                               0x00c36400 /* Ceph */};
  return std::ranges::find(kinds, static_cast<std::uint32_t>(system.f_type)) != kinds.end();
}

}  // namespace

Digests::Version Digests::version_of(const struct statx& file) {
  return {std::uint64_t{file.stx_dev_major} << 32 | file.stx_dev_minor,
          file.stx_ino,
          file.stx_size,
          file.stx_mtime.tv_sec,
          file.stx_mtime.tv_nsec,
          file.stx_ctime.tv_sec,
          file.stx_ctime.tv_nsec};
}

Digests::Answer Digests::of(const Executable& executable) {
  if (executable.path.empty() || executable.status.stx_size > kMostBytes) return {};
  const Version version = version_of(executable.status);
  if (const auto found = known_.find(version); found != known_.end()) return {false, found->second};
  const bool under_way = std::ranges::find(jobs_, version, &Job::version) != jobs_.end();
  return {under_way || jobs_.size() >= kMostJobs || start(executable, version), {}};
}

bool Digests::start(const Executable& executable, const Version& version) {
  if (is_remote(executable.file.get())) return false;
  // By the descriptor: the very file that was looked at.
  const std::string name = "/proc/self/fd/" + std::to_string(executable.file.get());
  Job job{version, UniqueFd(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)),
          EvpMdCtx(EVP_MD_CTX_new())};
  if (!job.file) return false;
  if (!job.context || EVP_DigestInit_ex(job.context.get(), EVP_sha256(), nullptr) != 1)
    throw_openssl("sha256");
  jobs_.push_back(std::move(job));
  return true;
}

void Digests::work() {
  Job& job = jobs_.front();
  piece_.resize(kPiece);
  const ssize_t size = ::read(job.file.get(), piece_.data(), piece_.size());
  if (size < 0 && errno == EINTR) return;
  if (size > 0) {
    job.read += static_cast<std::uint64_t>(size);
    if (EVP_DigestUpdate(job.context.get(), piece_.data(), static_cast<std::size_t>(size)) != 1)
      throw_openssl("sha256");
    if (job.read <= job.version.size) return;
  }
  if (size == 0) finish();
  jobs_.pop_front();
}

// Only if it still is what it was when it was looked at.
void Digests::finish() {
  Job& job = jobs_.front();
  struct statx now {};
  Sha256 digest;
  if (!inspect(job.file.get(), "", AT_EMPTY_PATH, now) || version_of(now) != job.version ||
      job.read != job.version.size)
    return;
  if (EVP_DigestFinal_ex(job.context.get(), digest.data(), nullptr) != 1) throw_openssl("sha256");
  if (known_.size() >= kMostKnown) known_.clear();
  known_.emplace(job.version, to_hex(digest));
}

}  // namespace holdfast::identity
