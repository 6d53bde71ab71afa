// Programs that a test needs and a machine may lack.
#pragma once

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace holdfast::test {

// Where `program` is in $PATH; empty if nowhere.
std::string find_program(std::string_view program);

// True under CI=true, where a skipped test would go unnoticed for ever.
bool in_ci();

}  // namespace holdfast::test

// Ends the test unless `program` is installed: skipped with the reason, in CI failed.
#define HOLDFAST_REQUIRE_PROGRAM(program, package)                                              \
  do {                                                                                          \
    if (holdfast::test::find_program(program).empty()) {                                        \
      if (holdfast::test::in_ci()) FAIL() << (program) << " is missing: install " << (package); \
      GTEST_SKIP() << (program) << " is missing: install " << (package) << " to run this test"; \
    }                                                                                           \
  } while (false)
