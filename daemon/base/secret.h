// Secret bytes: in OpenSSL's secure heap (locked, guarded, out of core dumps), zeroed when
// released, and without an operator that would print, copy or compare them by accident.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <boost/json/memory_resource.hpp>
#include <boost/json/storage_ptr.hpp>

#include "daemon/base/bytes.h"

namespace holdfast {

// Prepares the secure heap, and has OpenSSL zero whatever it frees, because its decoders leave copies
// of private keys behind. Call once at start, before any Secret and any use of OpenSSL. False where the
// memory could not be locked (RLIMIT_MEMLOCK): secrets are then zeroed and guarded, but may be swapped;
// also where OpenSSL was used before.
bool prepare_secret_memory();

// Move-only. Not thread-safe, like any value.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::size_t size);  // zeroed bytes
  explicit Secret(ByteView bytes);    // copies; the source stays the caller's to zero
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  Secret clone() const { return Secret(view()); }
  ByteView view() const { return {data_, size_}; }
  std::span<std::uint8_t> writable() { return {data_, size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// Zeroes [data, data+size) so that no optimiser removes it.
void cleanse(void* data, std::size_t size) noexcept;

// Zeroes what calls that have returned left below the caller's frame, 32 KiB of it: for after a
// library that has copied a secret into its own local variables.
void cleanse_stack() noexcept;

// For buffers that may hold a secret in passing (a request's bytes): zeroed when released, not
// locked.
template <class T>
struct ZeroingAllocator {
  using value_type = T;
  ZeroingAllocator() = default;
  template <class U>
  ZeroingAllocator(const ZeroingAllocator<U>&) noexcept {}
  T* allocate(std::size_t n) { return std::allocator<T>{}.allocate(n); }
  void deallocate(T* p, std::size_t n) noexcept {
    cleanse(p, n * sizeof(T));
    std::allocator<T>{}.deallocate(p, n);
  }
  template <class U>
  bool operator==(const ZeroingAllocator<U>&) const noexcept {
    return true;
  }
};

// Text that may hold a secret; zeroed when released.
using SecretText = std::vector<char, ZeroingAllocator<char>>;

// Storage for JSON values that hold a secret: secure heap, zeroed when released.
boost::json::storage_ptr secret_storage();

}  // namespace holdfast
