#include <gtest/gtest.h>

#include <thread>

#include "daemon/device/stubborn.h"
#include "tests/support/fake_backend.h"

namespace holdfast::device {
namespace {

using namespace std::chrono_literals;

class Stubborn : public ::testing::Test {
 protected:
  Factory make(std::chrono::milliseconds patience) {
    return ending_after([this] { return device_->open(); }, patience,
                        [](const Error& error) { return error.kind() == ErrorKind::internal; },
                        [this] { ++ended_; });
  }
  void fail(const Factory& open, ErrorKind kind) {
    device_->fail_next(1, kind);
    EXPECT_THROW(open(), Error);
  }
  const std::shared_ptr<test::FakeDevice> device_ = test::FakeDevice::make();
  int ended_ = 0;
};

TEST_F(Stubborn, EndsOnceOpeningHasFailedForLong) {
  const Factory open = make(500ms);
  fail(open, ErrorKind::device_unavailable);
  EXPECT_EQ(ended_, 0);
  std::this_thread::sleep_for(520ms);
  fail(open, ErrorKind::device_unavailable);
  EXPECT_EQ(ended_, 1);
}

TEST_F(Stubborn, ASuccessBetweenBeginsTheWaitAnew) {
  const Factory open = make(500ms);
  fail(open, ErrorKind::device_unavailable);
  std::this_thread::sleep_for(520ms);
  EXPECT_NE(open(), nullptr);
  fail(open, ErrorKind::device_unavailable);
  EXPECT_EQ(ended_, 0);
}

// THREATS row 15: a successor would give the token the wrong PIN once more.
TEST_F(Stubborn, WhatASuccessorWouldRepeatNeverEndsIt) {
  const Factory open = make(0ms);
  for (int i = 0; i < 3; ++i) fail(open, ErrorKind::internal);
  EXPECT_EQ(ended_, 0);
  fail(open, ErrorKind::device_unavailable);
  EXPECT_EQ(ended_, 1);
}

}  // namespace
}  // namespace holdfast::device
