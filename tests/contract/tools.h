// The TPM's other users as judges: tpm2-tools and OpenSSL's tpm2 provider.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/key/backend.h"
#include "tests/contract/test_tpm.h"

#define HOLDFAST_REQUIRE_TPM2_TOOLS() HOLDFAST_REQUIRE_PROGRAM("tpm2_load", "tpm2-tools")

namespace holdfast::test {

struct Outcome {
  int status;  // exit status, 128 + signal
  std::string output;
};

// Runs programs in a folder of their own against one TPM, which no backend may hold meanwhile.
// Between commands the TPM's slots are emptied, because nothing else does so without a resource
// manager.
class Tools {
 public:
  explicit Tools(std::string tcti) : tcti_(std::move(tcti)) {}

  Outcome run(const std::vector<std::string>& command) const;
  // Fails the test unless the command succeeds.
  void must(const std::vector<std::string>& command) const;

  void write(const std::string& name, ByteView bytes) const;
  Bytes read(const std::string& name) const;
  bool has(const std::string& name) const;

 private:
  Outcome spawn(const std::vector<std::string>& command) const;

  std::string tcti_;
  Folder folder_;
};

}  // namespace holdfast::test
