#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "daemon/device/queue.h"

namespace holdfast::device {
namespace {

constexpr std::uint32_t kFlooder = 7;

TEST(DeviceQueue, ServesCallersInTurnAndEachOnesOwnInOrder) {
  FairQueue<int> queue(100, 100);
  for (const int item : {1, 2, 3}) queue.push(10, item);
  for (const int item : {4, 5}) queue.push(20, item);
  queue.push(30, 6);
  std::vector<int> served;
  while (const int* next = queue.next()) {
    served.push_back(*next);
    EXPECT_EQ(queue.pop(), served.back());
  }
  EXPECT_EQ(served, (std::vector<int>{1, 4, 6, 2, 5, 3}));
  EXPECT_TRUE(queue.empty());
}

// THREATS row 20, where it is decided.
TEST(DeviceQueue, AFloodersHundredsDelayTwentyVictimsByOneTurnEach) {
  FairQueue<std::uint32_t> queue(1024, 1000);
  for (int i = 0; i < 900; ++i) queue.push(kFlooder, kFlooder);
  for (std::uint32_t victim = 100; victim < 120; ++victim) queue.push(victim, victim);
  std::map<std::uint32_t, int> served;
  for (int turn = 0; turn < 21; ++turn) ++served[*queue.pop()];
  for (std::uint32_t victim = 100; victim < 120; ++victim) EXPECT_EQ(served[victim], 1);
  EXPECT_EQ(served[kFlooder], 1);
}

TEST(DeviceQueue, ACallerThatComesBackAfterEachAnswerGetsEverySecondTurn) {
  FairQueue<std::uint32_t> queue(1024, 1000);
  for (int i = 0; i < 500; ++i) queue.push(kFlooder, kFlooder);
  int served = 0;
  for (int turn = 0; turn < 100; ++turn) {
    if (queue.has_room(1) && served * 2 <= turn) queue.push(1, 1);
    if (*queue.pop() == 1) ++served;
  }
  EXPECT_GE(served, 45);
}

TEST(DeviceQueue, ACallerAtItsBoundLeavesRoomForOthers) {
  FairQueue<int> queue(10, 2);
  queue.push(1, 0);
  queue.push(1, 0);
  EXPECT_FALSE(queue.has_room(1));
  EXPECT_TRUE(queue.has_room(2));
}

TEST(DeviceQueue, CallersWhoFillItShutNobodyOut) {
  FairQueue<int> queue(4, 2);
  for (const std::uint32_t flooder : {1, 2})
    for (int i = 0; i < 2; ++i) queue.push(flooder, 0);
  EXPECT_TRUE(queue.has_room(3));
  queue.push(3, 0);
  EXPECT_FALSE(queue.has_room(3)) << "one beyond the whole bound, for each who had none";
  EXPECT_FALSE(queue.has_room(1));
}

TEST(DeviceQueue, WhatComesAgainIsItsCallersNext) {
  FairQueue<int> queue(10, 10);
  queue.push(1, 2);
  queue.push(1, 3);
  queue.push_front(1, 1);
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 2);
  queue.push_front(9, 4);
  EXPECT_EQ(queue.pop(), 3);
  EXPECT_EQ(queue.pop(), 4);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(DeviceQueue, ExpiresTheOldOfEachCallerAndKeepsTheRest) {
  FairQueue<int> queue(10, 10);
  for (const int age : {9, 8, 1}) queue.push(1, age);
  for (const int age : {7}) queue.push(2, age);
  for (const int age : {2, 1}) queue.push(3, age);
  std::vector<int> expired;
  queue.expire([](int age) { return age > 5; }, [&](int age) { expired.push_back(age); });
  EXPECT_EQ(expired, (std::vector<int>{9, 8, 7}));
  EXPECT_EQ(queue.size(), 3U);
  std::vector<int> left;
  while (auto item = queue.pop()) left.push_back(*item);
  EXPECT_EQ(left, (std::vector<int>{1, 2, 1}));
}

}  // namespace
}  // namespace holdfast::device
