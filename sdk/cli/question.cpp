#include "sdk/cli/question.h"

#include <unistd.h>

#include <iostream>

#include "sdk/cli/failure.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {

void require_answer(const std::string& meaning, const std::string& demand,
                    const std::string& answer, const std::string& refusal) {
  if (!isatty(STDIN_FILENO)) return;
  note(meaning + " " + demand);
  std::string typed;
  std::getline(std::cin, typed);
  if (typed != answer) throw Failure(Exit::failed, refusal);
}

}  // namespace holdfast::cli
