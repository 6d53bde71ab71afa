#include "daemon/base/secret.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace holdfast {
namespace {

constexpr std::size_t kHeapBytes = 1 << 20;
constexpr std::size_t kSmallestBlock = 32;

void* secure_allocate(std::size_t size) {
  void* data = OPENSSL_secure_zalloc(size);
  if (data == nullptr) throw std::bad_alloc();
  return data;
}

class SecretResource final : public boost::json::memory_resource {
  // Blocks are powers of two, aligned to their size, so never less than max_align_t beyond 16
  // bytes.
  void* do_allocate(std::size_t size, std::size_t) override {
    return secure_allocate(std::max(size, kSmallestBlock));
  }
  void do_deallocate(void* data, std::size_t size, std::size_t) override {
    OPENSSL_secure_clear_free(data, std::max(size, kSmallestBlock));
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

void* allocate(std::size_t size, const char*, int) {
  return std::malloc(size);
}
void release(void* data, const char*, int) {
  if (data != nullptr) OPENSSL_cleanse(data, ::malloc_usable_size(data));
  std::free(data);
}
// Never in place, since the C library may move a block and leave its content.
void* reallocate(void* data, std::size_t size, const char* file, int line) {
  void* larger = size == 0 ? nullptr : std::malloc(size);
  if (larger == nullptr && size != 0) return nullptr;
  if (larger != nullptr && data != nullptr)
    std::memcpy(larger, data, std::min(size, ::malloc_usable_size(data)));
  release(data, file, line);
  return larger;
}

}  // namespace

bool prepare_secret_memory() {
  const bool zeroing = CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;
  return CRYPTO_secure_malloc_init(kHeapBytes, kSmallestBlock) == 1 && zeroing;
}

Secret::Secret(std::size_t size) : size_(size) {
  if (size != 0) data_ = static_cast<std::uint8_t*>(secure_allocate(size));
}

Secret::Secret(ByteView bytes) : Secret(bytes.size()) {
  if (size_ != 0) std::memcpy(data_, bytes.data(), size_);
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Secret::~Secret() {
  OPENSSL_secure_clear_free(data_, size_);
}

void cleanse(void* data, std::size_t size) noexcept {
  OPENSSL_cleanse(data, size);
}

[[gnu::noinline]] void cleanse_stack() noexcept {
  unsigned char left[32 * 1024];
  OPENSSL_cleanse(left, sizeof left);
}

boost::json::storage_ptr secret_storage() {
  static SecretResource resource;
  return &resource;
}

}  // namespace holdfast
