// The published vectors: $HOLDFAST_VECTORS, else ../shared/vectors beside the source tree.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace holdfast {

inline std::filesystem::path vectors_folder() {
  if (const char* given = std::getenv("HOLDFAST_VECTORS")) return given;
  const char* source = std::getenv("HOLDFAST_SOURCE_DIR");
  return std::filesystem::path(source ? source : ".") / ".." / "shared" / "vectors";
}

}  // namespace holdfast

// Absent vectors skip a test, but not in CI, where they have to be there.
#define HOLDFAST_NEED_VECTORS(folder)                                           \
  do {                                                                          \
    if (!std::filesystem::exists(folder)) {                                     \
      if (std::getenv("CI")) FAIL() << "no vectors at " << (folder);            \
      GTEST_SKIP() << "no vectors at " << (folder) << ": set HOLDFAST_VECTORS"; \
    }                                                                           \
  } while (false)
