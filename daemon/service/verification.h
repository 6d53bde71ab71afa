// Which signatures are verified before they leave: all, or of a device that is set to `sampled` some. On the event
// loop's thread alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/config/config.h"
#include "daemon/key/backend.h"

namespace holdfast {

class Verification {
 public:
  // Of `sampled`, by public key: the first kFirst after each opening of the device, then one in kEach.
  static constexpr std::uint64_t kFirst = 16;
  static constexpr std::uint64_t kEach = 64;

  explicit Verification(const std::vector<config::Device>& devices);

  // What is in force; always for a device that the configuration does not name.
  config::Verify of(const std::string& device) const;

  // Counts a signature of this key: is it one of those to verify?
  bool is_due(const std::string& device, Algorithm algorithm, ByteView public_key);
  // One did not verify: from now on all are, until the device is opened anew.
  void failed(const std::string& device);
  void opened(const std::string& device);
  void forget(const std::string& device, ByteView public_key);  // of a key that was deleted

 private:
  struct Sampled {
    bool all = false;
    std::unordered_map<std::string, std::uint64_t> signatures;  // so far, by public key
  };
  std::map<std::string, Sampled> sampled_;  // the others are always verified
};

}  // namespace holdfast
