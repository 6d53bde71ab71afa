#include "daemon/audit/worker.h"

#include "tests/unit/audit_support.h"

namespace holdfast::audit {
namespace {

// Its owner queues what came of it first: an outcome of the worker's that came before it would be taken for it,
// and a refused group's requests answered.
TEST(Turn, KeepsTheDiskUntilItsEnd) {
  TempFolder folder;
  Worker worker(folder.log(), false, system_files(), nullptr,
                {[](Outcome) {}, [](std::exception_ptr) {}});
  EXPECT_EQ(worker.open().failure, "");
  const std::vector<Record> records = samples(0, 3);
  {
    auto turn = worker.take_turn();
    ASSERT_TRUE(turn);
    EXPECT_EQ(turn->append(records).size, 3U);
    EXPECT_FALSE(worker.take_turn());
    const Worker::Turn moved = std::move(*turn);
    turn.reset();
    EXPECT_FALSE(worker.take_turn());
  }
  EXPECT_TRUE(worker.take_turn());
}

}  // namespace
}  // namespace holdfast::audit
