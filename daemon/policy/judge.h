// Whether a grant answers a question. A grant that allows answers if every condition holds for
// certain; one that denies, unless some condition does not hold for certain.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/policy/grant.h"

namespace holdfast::policy {

bool names_key(const Grant& grant, std::string_view key, const Caller& caller);

bool admits(const Grant& grant, const Caller& caller);
// As admits(), where the caller's executable is not known yet. Of those that allow.
bool may_admit(const Grant& grant, const Caller& caller);

// Would it admit the caller if only its executable had the right digest? Of those that name digests.
bool wants_digest(const Grant& grant, const Caller& caller);

// Do caller, facts, time, skew and ttl match? (The key is the index's business.) A deny judges also
// what `allowing`, the grant that would allow it, forces.
bool answers(const Grant& grant, const Question& question, const Grant* allowing = nullptr);

// How far it is from answering: the number of objections; a grant for another caller is further
// away than any for this one. 0 where it answers.
std::size_t distance(const Grant& grant, const Question& question);

// Every condition in the order in which it is judged. Texts are bounded and escaped.
std::vector<Finding> findings(const Grant& grant, const Question& question,
                              const Grant* allowing = nullptr);

}  // namespace holdfast::policy
