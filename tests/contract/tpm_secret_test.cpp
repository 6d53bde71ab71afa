// What an import leaves behind in our memory.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include "daemon/base/posix.h"
#include "tests/contract/crypto.h"
#include "tests/contract/test_tpm.h"
#include "tpm/backend.h"

namespace holdfast::test {
namespace {

// Searches this process's writable memory. Its own buffer is a mapping apart, which it leaves out: else what it
// reads would be found again.
class MemorySearch {
 public:
  ~MemorySearch() { ::munmap(buffer_, kBuffer); }

  // How often a text lies there that is given with every byte inverted, so that the needle is no hit.
  int count(ByteView inverted) {
    std::ifstream maps("/proc/self/maps");
    int found = 0;
    for (std::string line; std::getline(maps, line);) {
      std::uintptr_t first = 0, last = 0;
      char permissions[5] = {};
      if (std::sscanf(line.c_str(), "%lx-%lx %4s", &first, &last, permissions) != 3 ||
          permissions[1] != 'w' || first == reinterpret_cast<std::uintptr_t>(buffer_))
        continue;
      // The pieces overlap, for what lies across their ends.
      for (; first < last; first += kBuffer - inverted.size()) {
        const auto size = std::min<std::uintptr_t>(kBuffer, last - first);
        const ssize_t got = ::pread(memory_.get(), buffer_, size, static_cast<off_t>(first));
        if (got > 0) found += count_in({buffer_, static_cast<std::size_t>(got)}, inverted);
      }
    }
    return found;
  }

 private:
  static constexpr std::size_t kBuffer = 1 << 20;

  static int count_in(ByteView memory, ByteView inverted) {
    const auto is_inverse = [](std::uint8_t a, std::uint8_t b) {
      return static_cast<std::uint8_t>(~a) == b;
    };
    int found = 0;
    for (auto at = memory.begin(); (at = std::search(at, memory.end(), inverted.begin(),
                                                     inverted.end(), is_inverse)) != memory.end();
         ++at)
      ++found;
    return found;
  }

  UniqueFd memory_{::open("/proc/self/mem", O_RDONLY | O_CLOEXEC)};
  std::uint8_t* buffer_ = static_cast<std::uint8_t*>(
      ::mmap(nullptr, kBuffer, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
};

class TpmSecret : public testing::TestWithParam<tpm::Sessions> {
 protected:
  void SetUp() override {
#ifdef HOLDFAST_SANITIZED
    GTEST_SKIP() << "sanitizers keep freed memory";
#endif
    HOLDFAST_REQUIRE_TPM();
    tpm_ = std::make_unique<TestTpm>();
    backend_ = tpm::open(tpm_->tcti(), GetParam());
  }
  std::unique_ptr<TestTpm> tpm_;
  std::unique_ptr<Backend> backend_;
};

TEST_P(TpmSecret, LeavesNoTraceAfterImport) {
  MemorySearch search;
  const Bytes inverted = random_bytes(48);
  // In pieces: what overwrote a buffer in part has left one of them.
  const auto expect_in_memory = [&](int copies) {
    for (const std::size_t piece : {0, 16, 32})
      EXPECT_EQ(search.count(ByteView(inverted).subspan(piece, 16)), copies) << piece;
  };
  {
    Secret secret(inverted.size());
    std::transform(inverted.begin(), inverted.end(), secret.writable().begin(),
                   [](std::uint8_t byte) { return static_cast<std::uint8_t>(~byte); });
    expect_in_memory(1);  // the control: the search finds it
    backend_->import_secret(secret);
    expect_in_memory(1);
  }
  expect_in_memory(0);
}

// As in the device process, before the first use of OpenSSL.
[[maybe_unused]] const bool kLocked = prepare_secret_memory();

// The bytes of the private number or prime, however the library copied them.
TEST_P(TpmSecret, LeavesNoTraceOfAPrivateKey) {
  MemorySearch search;
  for (const KeyType type : {KeyType::ec_p256, KeyType::ec_p384, KeyType::rsa_2048}) {
    SCOPED_TRACE(to_string(type));
    Bytes inverted;
    {
      Secret pkcs8 = pkcs8_of(generate(type).get());
      // Where the private number, or the first of the prime's bytes, begins in OpenSSL's encoding.
      const std::size_t at = type == KeyType::ec_p256 ? 36 : type == KeyType::ec_p384 ? 35 : 600;
      for (const std::uint8_t byte : pkcs8.view().subspan(at, 32))
        inverted.push_back(static_cast<std::uint8_t>(~byte));
      EXPECT_GE(search.count(ByteView(inverted).first(16)), 1);  // the control
      backend_->import_private_key(type, pkcs8);
    }
    for (const std::size_t piece : {0, 16})
      EXPECT_EQ(search.count(ByteView(inverted).subspan(piece, 16)), 0) << piece;
  }
}

INSTANTIATE_TEST_SUITE_P(Sessions, TpmSecret,
                         testing::Values(tpm::Sessions::plain, tpm::Sessions::encrypted));

}  // namespace
}  // namespace holdfast::test
