// What the contract suite is run over. A backend joins with a Subject in subjects.cpp.
#pragma once

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "daemon/key/backend.h"

namespace holdfast::test {

// Two devices of one kind, each opened by at most one backend at a time.
class Devices {
 public:
  virtual ~Devices() = default;
  virtual std::unique_ptr<Backend> open() = 0;
  virtual std::unique_ptr<Backend> open_other() = 0;
};

struct Subject {
  std::unique_ptr<Devices> (*make)();
  const char* program = nullptr;  // that the machine may lack
  const char* package = nullptr;
  bool encrypted = false;  // sessions
};

}  // namespace holdfast::test
