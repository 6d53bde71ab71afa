#include <gtest/gtest.h>

#include "sdk/cli/key_document.h"

namespace holdfast::cli {
namespace {

TEST(KeyDocument, ShowsVersionsByState) {
  const json::value key = json::parse(R"({"name":"k","disabled":true,"versions":[
    {"version":1,"kid":"a","state":"verifying","disabled":false,"created":"2026-01-01T00:00:00Z"},
    {"version":2,"kid":"b","state":"active","disabled":true,"created":"2026-01-02T00:00:00Z","lost":true,
     "since":"2026-01-03T00:00:00Z","new_field":1},
    {"version":3,"kid":"c","state":"verifying","disabled":false,"created":"2026-01-01T00:00:00Z"}]})");
  const std::vector<Version> versions = versions_of(key.get_object());
  ASSERT_EQ(versions.size(), 3u);
  EXPECT_EQ(versions[0].since, "");
  EXPECT_EQ(versions[1].since, "2026-01-03T00:00:00Z");
  EXPECT_TRUE(versions[1].lost && versions[1].disabled);
  EXPECT_FALSE(versions[2].lost || versions[2].disabled);
  EXPECT_EQ(numbers_in(key.get_object(), "verifying"), "1, 3");
  EXPECT_EQ(numbers_in(key.get_object(), "pending"), "");
  EXPECT_TRUE(is_set(key.get_object(), "disabled"));
}

TEST(KeyDocument, OfADamagedKeyHasNoVersions) {
  EXPECT_TRUE(versions_of(json::object{{"name", "k"}, {"damage", "checksum"}}).empty());
}

}  // namespace
}  // namespace holdfast::cli
