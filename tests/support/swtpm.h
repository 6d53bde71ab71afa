// A software TPM of a test's own: its own folder, its own Unix sockets, gone with the object.
//
// It serves one connection at a time: close a backend before another program talks to the same TPM.
// Start it from a thread that outlives it: the kernel ends it with the thread that started it, so
// that a test that crashes leaves none behind.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "tests/support/folder.h"
#include "tests/support/require.h"

#define HOLDFAST_REQUIRE_SWTPM() HOLDFAST_REQUIRE_PROGRAM("swtpm", "swtpm")

namespace holdfast::test {

class Swtpm {
 public:
  // Running and ready. Ignores SIGPIPE, which tpm2-tss raises when it writes to a killed one. Throws
  // Error{internal}, also where swtpm is not installed.
  Swtpm();
  Swtpm(const Swtpm&) = delete;
  Swtpm& operator=(const Swtpm&) = delete;
  ~Swtpm() { kill(); }

  std::string tcti() const { return "swtpm:path=" + socket(); }  // for tpm2-tss and TPM2TOOLS_TCTI
  std::string socket() const { return folder_ / "tpm.sock"; }
  pid_t pid() const { return pid_; }  // -1 while it is down

  // kill -9, reaped: what it had in memory is lost, as in a power cut.
  void kill();
  // Again on the same state, and ready.
  void start();
  // Resets the TPM, as a machine's reset does, beneath connections that stay open.
  void reset();

 private:
  Folder folder_;
  pid_t pid_ = -1;
};

}  // namespace holdfast::test
