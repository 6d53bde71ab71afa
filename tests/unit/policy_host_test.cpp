// A Host header's port binds nothing of where a request goes: it is no way round what closes.
#include <gtest/gtest.h>

#include "tests/unit/policy_support.h"

namespace holdfast::policy {
namespace {

Asked of_host(const std::string& host) {
  return {.facts = {{"service", "s3"}, {"host", host}}};
}

TEST(PolicyHost, DenyIsForEachPort) {
  for (const char* wanted : {"\"evil.example\"", "\"*.example\"", "{ is = \"EVIL.example\" }",
                             "{ is = \"**.example\", not = \"good.example\" }"}) {
    const std::string text =
        allow("a") + deny("no", "facts = { host = " + std::string(wanted) + " }");
    for (const char* host :
         {"evil.example", "evil.example:443", "evil.example:80", "Evil.example:8443"})
      EXPECT_FALSE(allowed(text, of_host(host))) << wanted << " " << host;
    EXPECT_TRUE(allowed(text, of_host("else.invalid:443"))) << wanted;
  }
  const std::string address = allow("a") + deny("no", "facts = { host = \"[::1]\" }");
  EXPECT_FALSE(allowed(address, of_host("[::1]:443")));
  EXPECT_TRUE(allowed(address, of_host("[::2]:443")));
}

TEST(PolicyHost, DenyThatNamesAPortIsForThatOne) {
  const std::string text = allow("a") + deny("no", "facts = { host = \"store.example:9000\" }");
  EXPECT_FALSE(allowed(text, of_host("store.example:9000")));
  EXPECT_TRUE(allowed(text, of_host("store.example:9001")));
  EXPECT_TRUE(allowed(text, of_host("store.example")));
}

TEST(PolicyHost, WhatADenyLeavesOutIsThatVerySpelling) {
  const std::string one =
      allow("a") + deny("no", "facts = { host = { not = \"store.example:9000\" } }");
  EXPECT_TRUE(allowed(one, of_host("store.example:9000")));
  EXPECT_FALSE(allowed(one, of_host("store.example:9001")));
  EXPECT_FALSE(allowed(one, of_host("store.example")));
  const std::string bare =
      allow("a") + deny("no", "facts = { host = { not = \"store.example\" } }");
  EXPECT_TRUE(allowed(bare, of_host("store.example")));
  EXPECT_FALSE(allowed(bare, of_host("store.example:9000")));
}

TEST(PolicyHost, WhatAnAllowLeavesOutIsForEachPort) {
  const std::string text =
      allow("a", "facts = { host = { is = \"**.example*\", not = \"evil.example\" } }");
  EXPECT_TRUE(allowed(text, of_host("good.example:443")));
  for (const char* host : {"evil.example", "evil.example:443", "EVIL.example:8443"})
    EXPECT_FALSE(allowed(text, of_host(host))) << host;
}

TEST(PolicyHost, AllowIsForThatVerySpelling) {
  const std::string text = allow("a", "facts = { host = \"good.example\" }");
  EXPECT_TRUE(allowed(text, of_host("good.example")));
  EXPECT_FALSE(allowed(text, of_host("good.example:8443")));
}

}  // namespace
}  // namespace holdfast::policy
