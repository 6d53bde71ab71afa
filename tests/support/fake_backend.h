// A device in memory, with faults on demand.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"
#include "daemon/key/backend.h"

namespace holdfast::test {

// Keeps its keys while backends come and go, as a TPM does. Thread-safe, so that a test can set
// faults while a backend works in another thread.
class FakeDevice : public std::enable_shared_from_this<FakeDevice> {
 public:
  static std::shared_ptr<FakeDevice> make();

  // Every type and every algorithm. Keeps the device alive.
  std::unique_ptr<Backend> open();

  // Each fault is for calls that begin after it was set; describe() is never touched.
  void fail_next(int calls, ErrorKind kind, int after = 0);  // so many calls that go well
  void delay_each(std::chrono::milliseconds delay);
  void spoil_next_signatures(int calls);  // well-formed, but not of that digest
  void hang();                            // until release()
  void release();
  void set_lockout_counter(std::uint32_t count);
  void lacks(Algorithm algorithm);  // for backends opened later: not described, and unsupported
  void work_in_parallel(std::uint32_t count);  // backends opened later: so many calls at once

  // A key that nobody made through a backend; its URI, for enrol(). Not `strong`: refused with conflict.
  std::string place_key(KeyType type, bool always_secret = true, bool strong = true);

  std::size_t keys() const;  // on the device
  int most_at_once() const;  // signatures and MACs
  int calls() const;         // that began
  int hanging() const;       // that wait for release()

 private:
  friend class FakeBackend;
  struct Key {
    EvpPkey pair;  // or
    Secret secret;
    KeyType type;
    bool enrolled = false, always_secret = true, strong = true;
  };
  FakeDevice() = default;
  void begin_call();
  void begin_use();
  void end_use();
  bool takes_spoiling();
  std::vector<Algorithm> algorithms() const;

  mutable std::mutex mutex_;
  std::condition_variable released_;
  std::string name_ = to_hex(random_bytes(16));
  std::map<std::string, Key> keys_;
  int calls_ = 0, hanging_ = 0, failures_ = 0, spoilt_ = 0, at_once_ = 0, most_at_once_ = 0,
      well_ = 0;
  std::uint32_t parallel_ = 1;
  ErrorKind failure_ = ErrorKind::internal;
  std::chrono::milliseconds delay_{0};
  bool hang_ = false;
  std::uint32_t lockout_counter_ = 0;
  std::vector<Algorithm> lacked_;
  AnchorState anchor_;
};

}  // namespace holdfast::test
