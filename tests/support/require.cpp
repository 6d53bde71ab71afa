#include "tests/support/require.h"

#include <unistd.h>

#include <cstdlib>
#include <sstream>

namespace holdfast::test {

std::string find_program(std::string_view program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string file = folder + '/' + std::string(program);
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

bool in_ci() {
  const char* ci = std::getenv("CI");
  return ci != nullptr && std::string_view(ci) == "true";
}

}  // namespace holdfast::test
