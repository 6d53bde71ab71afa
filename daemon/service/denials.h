// Which refusals get a record of their own, and which are only counted: a caller who asks for ever what is refused
// fills neither disk nor queue. Nothing is lost but by a crash, and then no more than an interval's counts. Pure; on the
// event loop's thread alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "daemon/audit/record.h"
#include "daemon/base/clock.h"

namespace holdfast {

class Denials {
 public:
  static constexpr std::chrono::seconds kInterval{10};
  // In full: so many at once, and then so many a second; of one caller, and of all together.
  struct Part {
    double burst, per_second;
  };
  static constexpr Part kOfOne{256, 1}, kOfAll{4096, 32};
  static constexpr std::size_t kMostCounts = 16'384;  // what would be another one has a record

  // True: write this record. False: it was counted, by its uid, operation, key, code and policy; the key has to exist,
  // or be left empty. `account` is Caller::account; with `scarce` room none is written.
  bool in_full(const audit::Record& record, std::uint64_t account, bool scarce, SteadyTime now);

  struct Count {
    audit::Record first;
    SystemTime last;
    SteadyTime since;
  };
  // Each count of an interval that has ended, and all of them; they are forgotten here.
  std::vector<Count> due(SteadyTime now);
  std::vector<Count> all();
  // Without a time of its own.
  static audit::Record to_record(const Count& count);

  // What could not be written is counted on.
  void put_back(Count count, SteadyTime now);

  std::uint64_t counted() const { return counted_; }  // ever

 private:
  // uid, operation, key, code, policy_digest
  using What = std::tuple<std::uint32_t, std::string, std::string, std::string, std::string>;
  static What what(const audit::Record& record) {
    return {record.uid, record.operation, record.key, record.code, record.policy_digest};
  }
  // What is left of a part.
  struct Bucket {
    bool take(Part part, SteadyTime now);
    bool is_full(Part part, SteadyTime now) const;
    double used = 0;
    SteadyTime at{};
  };
  Bucket of_all_;
  std::map<std::uint64_t, Bucket> of_each_;  // by account; none that is full
  std::map<What, Count> counts_;
  std::uint64_t counted_ = 0;
};

}  // namespace holdfast
