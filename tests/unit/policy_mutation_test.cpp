// Threat 26: a bad file changes nothing. However a file is damaged, loading it either throws one
// Error that names file and line, or yields a policy; the one in use stays as it was.
#include <gtest/gtest.h>

#include <random>

#include "daemon/base/error.h"
#include "daemon/config/config.h"
#include "daemon/policy/policy.h"

namespace holdfast::policy {
namespace {

const std::string kGood = R"([daemon]
state_dir = "/var/lib/holdfast"
allow_software_devices = false
log_level = "info"

[audit]
durability = "fsync"

[[device]]
name = "tpm"
backend = "tpm"
tcti = "device:/dev/tpmrm0"

[[grant]]
name = "orders-s3"
key = ["orders-aws", "orders-*"]
caller = { unit = "orders.service", uid = [1001, 1002], exe = "/usr/bin/orders" }
facts = { service = "s3", path = "/invoices/**", expires_in = 900, signing_options = true, "query.acl" = false }
limits = { rate = "100/s", burst = 200, max_skew = "5m" }

[[grant]]
name = "orders-api"
key = "orders-jwt"
caller = { unit = "orders.service" }
facts = { audience = "https://api.example.com", "claim.*" = "**" }
limits = { ttl = "5m" }
set = { issuer = "https://id.example.com", subject = "{unit}", backdate = "30s" }
)";

class Reload {
 public:
  Reload() : current_(Policy::load({{"h.toml", kGood}})) {}

  // As the core does it: read all, then swap.
  void operator()(const std::string& text) {
    ++tried;
    const auto before = current_;
    const std::string digest = current_->digest();
    try {
      config::parse({{"h.toml", text}});
      auto next = Policy::load({{"h.toml", text}});
      ++taken;
      EXPECT_EQ(next->digest() == digest, text == kGood);
      ask(*next);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid_request) << text;
      EXPECT_TRUE(error.detail().starts_with("h.toml:")) << error.detail();
      EXPECT_LT(error.detail().size(), 2048u);
    }
    EXPECT_EQ(current_, before);
    EXPECT_EQ(current_->digest(), digest);
    EXPECT_TRUE(ask(*current_));
  }

  int tried = 0;
  int taken = 0;

 private:
  static bool ask(const Policy& policy) {
    Caller caller;
    caller.uid = 1001;
    caller.unit = "orders.service";
    caller.exe = "/usr/bin/orders";
    Facts facts;
    facts.add("service", "s3");
    facts.add("path", "/invoices/1");
    facts.add("expires_in", "60");
    const Decision decision = policy.decide({caller, "orders-aws", facts});
    if (decision.allowed) policy.forced(decision.grant, caller);
    EXPECT_EQ(decision.allowed, decision.reason.empty());
    return decision.allowed;
  }

  std::shared_ptr<const Policy> current_;
};

TEST(PolicyReload, KeepsTheOldPolicyWhenAFileIsTruncated) {
  Reload reload;
  for (std::size_t size = 0; size < kGood.size(); size += 3) reload(kGood.substr(0, size));
  EXPECT_GE(reload.tried, 200);
  EXPECT_LT(reload.taken, reload.tried);
}

TEST(PolicyReload, KeepsTheOldPolicyWhenABitIsFlipped) {
  Reload reload;
  for (std::size_t at = 0; at < kGood.size(); ++at)
    for (const int bit : {0, 5, 7}) {
      std::string text = kGood;
      text[at] = static_cast<char>(text[at] ^ (1 << bit));
      reload(text);
    }
  EXPECT_GE(reload.tried, 200);
  EXPECT_LT(reload.taken, reload.tried);
}

TEST(PolicyReload, KeepsTheOldPolicyWhenAValueChangesItsType) {
  Reload reload;
  const char* others[] = {"1",
                          "-1",
                          "1.5",
                          "true",
                          "\"\"",
                          "\"x\"",
                          "\"***\"",
                          "[]",
                          "[1]",
                          "[\"x\"]",
                          "[[1]]",
                          "{}",
                          "{ x = 1 }",
                          "1979-05-27",
                          "nan",
                          "0x10",
                          "'''\n'''",
                          "\"\\u0000\"",
                          "9223372036854775808",
                          ""};
  // Each value in a line of its own, then each one within the inline tables.
  for (std::size_t equals = kGood.find(" = "); equals != std::string::npos;
       equals = kGood.find(" = ", equals + 1)) {
    std::size_t end = equals + 3;
    int depth = 0;
    for (bool quoted = false; end < kGood.size(); ++end) {
      const char c = kGood[end];
      if (c == '"') quoted = !quoted;
      if (quoted) continue;
      if (depth == 0 && (c == ',' || c == '\n' || c == '}')) break;
      if (c == '[' || c == '{') ++depth;
      if (c == ']' || c == '}') --depth;
    }
    for (const char* other : others) {
      std::string text = kGood;
      reload(text.replace(equals + 3, end - equals - 3, other));
    }
  }
  EXPECT_GE(reload.tried, 200);
  EXPECT_LT(reload.taken, reload.tried / 2);
}

TEST(PolicyReload, KeepsTheOldPolicyWhenLinesAreLostSwappedOrRepeated) {
  Reload reload;
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < kGood.size();) {
    const std::size_t end = kGood.find('\n', at) + 1;
    lines.push_back(kGood.substr(at, end - at));
    at = end;
  }
  const auto join = [](const std::vector<std::string>& all) {
    std::string text;
    for (const std::string& line : all) text += line;
    return text;
  };
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto lost = lines, repeated = lines;
    lost.erase(lost.begin() + static_cast<std::ptrdiff_t>(i));
    repeated.insert(repeated.begin() + static_cast<std::ptrdiff_t>(i), lines[i]);
    reload(join(lost));
    reload(join(repeated));
    for (std::size_t k = i + 1; k < lines.size(); ++k) {
      auto swapped = lines;
      std::swap(swapped[i], swapped[k]);
      reload(join(swapped));
    }
  }
  EXPECT_GE(reload.tried, 200);
}

TEST(PolicyReload, KeepsTheOldPolicyWhenTheFileIsNoise) {
  Reload reload;
  std::mt19937 random(11);
  const std::string letters = "[]{}=\"'.,#\\\n ab1*\xC3\xA4\xFF";
  for (int i = 0; i < 1000; ++i) {
    std::string text = kGood;
    const std::size_t at = random() % text.size();
    for (std::size_t k = 0; k < 1 + random() % 20; ++k)
      text.insert(at, 1, letters[random() % letters.size()]);
    reload(text);
  }
  reload(std::string(1 << 20, '['));
  reload(std::string(1 << 20, '\0'));
  std::string lists;
  for (int i = 0; i < 100'000; ++i) lists += "[\n";
  reload("x = " + lists);
  EXPECT_GE(reload.tried, 200);
}

}  // namespace
}  // namespace holdfast::policy
