// SoftHSM tokens of a test's own: in its own folder, gone with the object. Only one of these at a time in a
// process, because the module reads $SOFTHSM2_CONF when it is initialised.
#pragma once

#include <string>
#include <vector>

#include "tests/support/folder.h"
#include "tests/support/require.h"

#define HOLDFAST_REQUIRE_SOFTHSM() HOLDFAST_REQUIRE_PROGRAM("softhsm2-util", "softhsm2")

namespace holdfast::test {

class SoftHsm {
 public:
  // No token yet. Sets SOFTHSM2_CONF for this process and those that it starts.
  SoftHsm();
  SoftHsm(const SoftHsm&) = delete;
  SoftHsm& operator=(const SoftHsm&) = delete;
  ~SoftHsm();

  // Initialised, with kPin. Throw Error{internal}, also where SoftHSM is not installed.
  void add(const std::string& label) const;
  void remove(const std::string& label) const;

  static constexpr const char* kPin = "648219";
  static std::string module();  // its path
  static std::string uri(const std::string& label) { return "pkcs11:token=" + label; }
  const std::string& folder() const { return folder_.path(); }
  std::string pin_file() const { return folder_ / "pin"; }  // holds kPin
  std::string config() const { return folder_ / "softhsm2.conf"; }

 private:
  Folder folder_;
};

// Runs a program to its end; its output, both streams. Throws Error{internal} with that unless it succeeds.
std::string must_run(const std::vector<std::string>& command);

}  // namespace holdfast::test
