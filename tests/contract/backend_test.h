// The suite: what daemon/key/backend.h promises.
#pragma once

#include "tests/contract/subject.h"
#include "tests/support/require.h"

namespace holdfast::test {

class BackendContract : public testing::TestWithParam<Subject> {
 protected:
  void SetUp() override {
    if (GetParam().program != nullptr)
      HOLDFAST_REQUIRE_PROGRAM(GetParam().program, GetParam().package);
    devices_ = GetParam().make();
    backend_ = devices_->open();
  }

  // The same device in a new backend.
  void reopen() {
    backend_.reset();
    backend_ = devices_->open();
  }

  std::unique_ptr<Devices> devices_;
  std::unique_ptr<Backend> backend_;
};

class EnrollerContract : public BackendContract {
 protected:
  Enroller& enroller() { return dynamic_cast<Enroller&>(*backend_); }
};

using NoAnchorContract = BackendContract;

class AnchorContract : public BackendContract {
 protected:
  Anchor& anchor() { return dynamic_cast<Anchor&>(*backend_); }
};

}  // namespace holdfast::test
