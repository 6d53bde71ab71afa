// The hostile module (hostile_module.cpp) in this process, and what it is told to do wrong. One at a time.
#pragma once

#include <functional>
#include <string>

#include "daemon/key/backend.h"
#include "tests/support/folder.h"

namespace holdfast::test {

class Hostile {
 public:
  // No fault yet. Sets HOLDFAST_HOSTILE_FILE for this process and those that it starts.
  Hostile();
  Hostile(const Hostile&) = delete;
  Hostile& operator=(const Hostile&) = delete;
  ~Hostile();

  // The words of hostile_faults.h, in place of those before.
  void set(const std::string& words) const;
  std::string file() const { return folder_ / "faults"; }

  // The module's path: $HOLDFAST_HOSTILE_MODULE.
  static std::string module();
  static constexpr const char* kUri = "pkcs11:token=hostile";
  static constexpr const char* kPin = "7391";
  static constexpr const char* kWellKnown = "pkcs11:object=well-known;type=private";

  static std::unique_ptr<Backend> open(
      const std::string& pin = kPin, std::uint32_t sessions = 0,
      std::function<void()> beyond_help = [] {});

  // Of the module in this process, since it was loaded.
  static int calls(const char* function);  // "Login" for C_Login
  static int most_asleep();                // calls at once, in a fault "sleep:…"
  static int objects();
  static void forget_wrong_pin();  // as a right one would

 private:
  Folder folder_;
};

}  // namespace holdfast::test
