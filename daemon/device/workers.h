// Threads that execute the commands of one link at once, for a backend that can do that.
#pragma once

#include <atomic>
#include <exception>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/base/posix.h"
#include "daemon/device/message.h"

namespace holdfast::device {

// Each thread receives a command, executes it and sends its answer: a SOCK_SEQPACKET socket gives every
// message to one of those that wait. Signatures and MACs are made at once, all else alone.
//
// The methods are for one thread, the device process's first. They block while commands are under way; one
// that hangs ends with the process, which the core then has replaced.
class Workers {
 public:
  explicit Workers(unsigned count);
  ~Workers() { detach(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  unsigned count() const { return count_; }

  // Serves this link, which has to stay open until detach().
  void attach(int link);
  void detach();

  // The device, until the next call; nullptr: none, for this reason. Stays the caller's.
  void use(Backend* backend, std::string reason);

  // Readable once a command found that the device has to be opened again. The core was told, and nothing
  // more is asked of the device until use(). take_loss() throws where the link failed instead, as serve() does.
  int lost_fd() const { return lost_fd_.get(); }
  std::string take_loss();

 private:
  void work(int link);
  Answer answer(int link, const Command& command);
  Answer attempt(int link, const Command& command);
  void lose(int link, const std::string& reason);

  const unsigned count_;
  int link_ = -1;
  std::vector<std::thread> threads_;
  std::atomic<bool> leaving_ = false;

  std::shared_mutex device_;  // held by who uses what follows; alone, to change it
  Backend* backend_ = nullptr;
  std::string reason_;

  UniqueFd lost_fd_;
  std::mutex loss_mutex_;
  std::atomic<bool> is_lost_ = false;
  std::string loss_;
  std::exception_ptr defect_;
};

}  // namespace holdfast::device
