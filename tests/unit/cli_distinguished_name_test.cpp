#include <gtest/gtest.h>

#include "sdk/cli/distinguished_name.h"
#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

std::string read(std::string_view text) {
  return json::serialize(read_subject(text));
}

TEST(Subject, IsReadFromTheMostParticularOn) {
  EXPECT_EQ(read("CN=orders"), R"([["CN","orders"]])");
  EXPECT_EQ(read("CN=orders,O=Example"), R"([["O","Example"],["CN","orders"]])");
  EXPECT_EQ(read(R"(CN=Orders\, Inc.,O=a=b)"), R"([["O","a=b"],["CN","Orders, Inc."]])");
}

TEST(Subject, IsRefusedWhereAnAttributeIsNotWhole) {
  for (const char* text : {"", "orders", "=x", "CN=", "CN=a,", "CN=a,,O=b", "CN=a\\", "CN=a,O"})
    EXPECT_THROW(read_subject(text), Failure) << text;
}

}  // namespace
}  // namespace holdfast::cli
