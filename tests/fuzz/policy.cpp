// A configuration: files with a NUL byte between them. A file that can't be read loads nothing, and what loads
// decides by itself as it does beside other files.
#include <algorithm>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/policy/policy.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

using policy::Policy;
using policy::Question;
using policy::Source;

const Source kOther{
    "other.toml",
    "[[grant]]\nname = \"other grant\"\nkey = \"other-key\"\ncaller = { uid = 4242 }\n"};

struct Asked {
  Caller caller;
  std::string key;
  Facts facts;
  std::optional<std::chrono::seconds> ttl;
};

Facts facts_of(std::initializer_list<std::pair<const char*, const char*>> list) {
  Facts facts;
  for (const auto& [name, value] : list) facts.add(name, value);
  return facts;
}

std::vector<Asked> questions() {
  Caller orders;
  orders.pid = 4711;
  orders.uid = orders.gid = 1001;
  orders.groups = {27, 1002};
  orders.user = "orders";
  orders.unit = "orders.service";
  orders.user_unit = "app.service";
  orders.exe = "/usr/bin/orders";
  orders.security_label = "orders (enforce)";
  Caller root, nobody, other;
  root.user = "root";
  nobody.uid = nobody.gid = 65534;
  other.uid = 4242;
  const Facts s3 = facts_of({{"service", "s3"},
                             {"region", "eu-west-1"},
                             {"method", "GET"},
                             {"host", "orders-1.s3.eu-west-1.amazonaws.com"},
                             {"path", "/invoices/2026/1.pdf"},
                             {"bucket", "orders-1"},
                             {"query.versionId", "1"},
                             {"header.range", "bytes=0-9"},
                             {"payload", "signed"},
                             {"mode", "query"},
                             {"expires_in", "600"}});
  const Facts odd = facts_of({{"service", "s3"},
                              {"path", "/a/../b"},
                              {"encoded_path", "true"},
                              {"signing_options", "true"},
                              {"action", "unknown"},
                              {"expires_in", "x"}});
  const Facts form = facts_of({{"service", "s3"},
                               {"bucket", "in"},
                               {"mode", "post"},
                               {"path_prefix", "/user/"},
                               {"content_length_max", "1000"},
                               {"field.tagging", "t"},
                               {"starts_with.x-amz-acl", "p"}});
  const Facts token = facts_of({{"audience", "https://api.example.com"},
                                {"issuer", "https://id.example.com"},
                                {"subject", "orders.service"},
                                {"algorithm", "ES256"},
                                {"claim.scope", "read"}});
  const Facts digest = facts_of({{"algorithm", "ES256"}});
  std::vector<Asked> asked;
  for (const Caller& caller : {orders, root, nobody, other})
    for (const char* key : {"orders-aws", "orders-jwt", "k", "other-key", ""}) {
      asked.push_back({caller, key, s3, {}});
      asked.push_back({caller, key, odd, {}});
      asked.push_back({caller, key, form, {}});
      asked.push_back({caller, key, token, std::chrono::seconds(300)});
      asked.push_back({caller, key, digest, {}});
    }
  return asked;
}

bool denies(const Policy& policy, const Asked& asked) {
  return policy
      .decide({asked.caller, asked.key, asked.facts, std::chrono::seconds(1), asked.ttl, {}})
      .denied;
}

bool allows(const Policy& policy, const Asked& asked) {
  const Question question{asked.caller, asked.key, asked.facts, std::chrono::seconds(1),
                          asked.ttl,    {}};
  const policy::Decision decision = policy.decide(question);
  bool allowing = false, denying = false;
  for (const policy::Explanation& one : policy.explain(question))
    (one.denies ? denying : allowing) |= one.takes_effect;
  check(decision.allowed == (allowing && !denying) && decision.denied == (allowing && denying),
        "what is explained is what is decided");
  if (!decision.allowed) {
    check(!decision.reason.empty(), "a refusal has a reason");
    return false;
  }
  check(decision.grant < policy.size(), "what is allowed is allowed by a grant");
  check(policy.names(asked.caller, asked.key), "who is allowed is named");
  const auto names = policy.grants_of(asked.caller);
  check(std::ranges::find(names, policy.grant_name(decision.grant)) != names.end(),
        "the grant is one of the caller's");
  for (const auto& [name, value] : policy.forced(decision.grant, asked.caller))
    check(!value.empty() || name.starts_with("claim."), "what is forced is not empty");
  return true;
}

// nullptr where it was refused, in words that name the file.
std::shared_ptr<const Policy> load(const std::vector<Source>& sources) {
  std::shared_ptr<const Policy> loaded;
  try {
    loaded = Policy::load(sources);
  } catch (const Error& error) {
    check(error.kind() == ErrorKind::invalid_request, "a policy is refused as invalid");
    check(error.detail().find(".toml") != std::string::npos && error.detail().size() < 4096 &&
              is_utf8(error.detail()),
          "a complaint names the file in few words");
  }
  return loaded;
}

}  // namespace
}  // namespace holdfast::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  using namespace holdfast::fuzz;
  static const std::vector<Asked> asked = questions();
  static const auto other = load({kOther});
  std::string_view rest = as_text({data, size});
  std::vector<Source> sources;
  std::vector<config::File> files;
  for (std::size_t end = 0; end != std::string_view::npos && sources.size() < 4;) {
    end = rest.find('\0');
    sources.push_back({std::to_string(sources.size()) + ".toml", std::string(rest.substr(0, end))});
    files.push_back({sources.back().name, sources.back().text});
    if (end != std::string_view::npos) rest.remove_prefix(end + 1);
  }
  answers({ErrorKind::invalid_request}, [&] {
    const config::Config read = config::parse(files);
    check(read == config::parse(files), "the same files give the same configuration");
  });

  const auto policy = load(sources);
  sources.push_back(kOther);
  const auto both = load(sources);
  check(policy || !both, "a file that is refused is refused beside others");
  if (!policy) return 0;
  check(!both || both->size() == policy->size() + 1, "every grant counts");
  for (const Asked& one : asked) {
    const bool allowed = allows(*policy, one);
    if (both)
      check(allows(*both, one) == (allowed || allows(*other, one)) || denies(*both, one),
            "a grant allows what it allows alone, unless another denies it");
  }
  return 0;
}
