// A question before what can't be undone.
#pragma once

#include <string>

namespace holdfast::cli {

// On a terminal: shows `meaning` and `demand` and goes on only where `answer` is typed; throws
// Failure{failed} with `refusal` otherwise. Asks nothing of a script.
void require_answer(const std::string& meaning, const std::string& demand,
                    const std::string& answer, const std::string& refusal);

}  // namespace holdfast::cli
