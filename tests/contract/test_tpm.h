// The TPM that a test uses: a software TPM of its own, or the one that $HOLDFAST_TPM_TCTI names, such as
// device:/dev/tpmrm0 of a virtual machine.
#pragma once

#include <memory>
#include <string>

#include "tests/support/swtpm.h"

namespace holdfast::test {

// $HOLDFAST_TPM_TCTI; empty if it is not set.
std::string named_tpm();

class TestTpm {
 public:
  // One that is named is cleared (TPM2_Clear), so that no test sees what another left. Throws
  // Error{internal} for one that is not software: what is in it is lost.
  TestTpm();
  std::string tcti() const { return tcti_; }

 private:
  std::unique_ptr<Swtpm> own_;
  std::string tcti_;
};

}  // namespace holdfast::test

// At the start of a test that takes any TPM.
#define HOLDFAST_REQUIRE_TPM() \
  if (holdfast::test::named_tpm().empty()) HOLDFAST_REQUIRE_SWTPM()

// At the start of a test that has to have a software TPM in its hands, because of `what`.
#define HOLDFAST_REQUIRE_OWN_TPM(what)                                              \
  do {                                                                              \
    if (!holdfast::test::named_tpm().empty())                                       \
      GTEST_SKIP() << "not over " << holdfast::test::named_tpm() << ": " << (what); \
    HOLDFAST_REQUIRE_SWTPM();                                                       \
  } while (false)
