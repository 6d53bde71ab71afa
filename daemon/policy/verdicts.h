// What was found of a grant's conditions. One way of judging serves the decision, which stops at the
// first objection, the search for the nearest grants, which counts them, and the explanation, which
// wants all texts: they can't disagree.
#pragma once

#include <string>
#include <vector>

#include "daemon/policy/grant.h"

namespace holdfast::policy {

class Verdicts {
 public:
  enum class Want : std::uint8_t { first, count, texts };
  Verdicts(Effect effect, Want want) : effect_(effect), want_(want) {}

  template <class Text>
  void add(Truth holds, Text text) {
    const bool fits = effect_ == Effect::allow ? holds == Truth::yes : holds != Truth::no;
    if (!fits) ++objections_;
    if (want_ == Want::texts) findings_.push_back({holds, fits, text()});
  }
  bool settled() const { return objections_ > 0 && want_ == Want::first; }
  std::size_t objections() const { return objections_; }
  std::vector<Finding>& findings() { return findings_; }

 private:
  Effect effect_;
  Want want_;
  std::size_t objections_ = 0;
  std::vector<Finding> findings_;
};

void judge_facts(const Grant& grant, const Question& question, const Grant* allowing,
                 Verdicts& verdicts);

}  // namespace holdfast::policy
