#include "sdk/aws/request.h"

#include <gtest/gtest.h>

#include <set>

#include "sdk/aws/endpoint.h"
#include "sdk/cli/failure.h"

namespace holdfast::aws {
namespace {

using namespace std::chrono_literals;

constexpr const char* kRole = "arn:aws:iam::123456789012:role/orders";
constexpr const char* kAnchor = "arn:aws:rolesanywhere:eu-west-3:123456789012:trust-anchor/a";

Request anywhere() {
  Request out;
  out.way = Way::roles_anywhere;
  out.key = "k";
  out.role_arn = kRole;
  out.profile_arn = "arn:aws:rolesanywhere:eu-west-3:123456789012:profile/p";
  out.trust_anchor_arn = kAnchor;
  return out;
}

template <class Call>
bool misuses(Call call) {
  try {
    call();
    return false;
  } catch (const cli::Failure& failure) {
    return failure.exit() == cli::Exit::usage;
  }
}

TEST(AwsRequest, TheWayFollowsFromTheOptionsUnlessTheyFitSeveral) {
  EXPECT_EQ(choose_way("", anywhere()), Way::roles_anywhere);
  EXPECT_EQ(choose_way("", Request{}), Way::session_token);
  Request identity;
  identity.role_arn = kRole;
  EXPECT_TRUE(misuses([&] { choose_way("", identity); }));
  EXPECT_EQ(choose_way("assume-role", identity), Way::assume_role);
  identity.audience = "a";
  EXPECT_EQ(choose_way("", identity), Way::web_identity);
}

TEST(AwsRequest, FillsInRegionEndpointAndTimes) {
  const Request got = resolve(anywhere());
  EXPECT_EQ(got.region, "eu-west-3");
  EXPECT_EQ(got.session_name, "") << "a profile takes one only where it is told to";
  EXPECT_EQ(got.duration, 1h);
  Request china;
  china.key = "k";
  china.region = "cn-north-1";
  EXPECT_EQ(resolve(china).endpoint, "https://sts.cn-north-1.amazonaws.com.cn");
}

TEST(AwsRequest, EachThatMakesOtherCredentialsHasAnotherFingerprint) {
  std::set<std::string> prints{fingerprint(anywhere())};
  for (std::string Request::*member :
       {&Request::key, &Request::region, &Request::role_arn, &Request::profile_arn,
        &Request::trust_anchor_arn, &Request::session_name, &Request::audience, &Request::endpoint,
        &Request::socket}) {
    Request other = anywhere();
    other.*member += "x";
    prints.insert(fingerprint(other));
  }
  Request other = anywhere();
  other.duration = 2h;
  prints.insert(fingerprint(other));
  other = anywhere();
  other.way = Way::web_identity;
  prints.insert(fingerprint(other));
  EXPECT_EQ(prints.size(), 12u);
}

TEST(AwsEndpoint, IsHttpsOrOnLoopbackHttp) {
  EXPECT_EQ(check_endpoint("https://sts.example.com/"), "https://sts.example.com");
  for (const char* plain : {"http://127.0.0.1:8080", "http://localhost", "http://[::1]:1"})
    EXPECT_EQ(check_endpoint(plain), plain);
  for (const char* bad : {"http://sts.example.com", "http://127.0.0.1.example.com",
                          "http://localhost.example.com", "https://a@b", "https://h/p",
                          "https://h?q", "ftp://h", "h", "https://", "http://0x7f000001.com"})
    EXPECT_TRUE(misuses([&] { check_endpoint(bad); })) << bad;
}

}  // namespace
}  // namespace holdfast::aws
