// What is minted, read again by Jansson, is what policy judged, and a grant's forced values are in it.
#include <jansson.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "daemon/format/jwt.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

using format::JwtBytes;
using format::JwtMint;
using format::JwtRequest;

struct Drop {
  void operator()(json_t* value) const { json_decref(value); }
};
using Tree = std::unique_ptr<json_t, Drop>;

constexpr std::size_t kReading = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;

Tree tree_of(std::string_view text) {
  return Tree(json_loadb(text.data(), text.size(), kReading, nullptr));
}

std::string from_base64url(std::string_view text) {
  std::string result;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t value =
        std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
            .find(c);
    check(value != std::string_view::npos, "the token is base64url without padding");
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if ((count += 6) >= 8) result.push_back(static_cast<char>(bits >> (count -= 8) & 0xff));
  }
  return result;
}

std::string text_of(const json_t* value) {
  check(json_is_string(value), "a text is a text");
  return {json_string_value(value), json_string_length(value)};
}

std::vector<std::string> values(const JwtRequest& request, std::string_view name) {
  std::vector<std::string> found;
  for (const Fact& fact : request.facts().all())
    if (fact.name == name) found.push_back(fact.value);
  return found;
}

// Does the fact stand for the value? A text that reads as JSON is its JSON string.
bool shows(const std::string& fact, const json_t* value) {
  const Tree read = tree_of(fact);
  if (read) return json_equal(read.get(), value) == 1;
  return json_is_string(value) && text_of(value) == fact;
}

// One fact for each claim, and for each element of a list that has any.
std::size_t judge_claim(const JwtRequest& request, const char* name, const json_t* value) {
  const auto facts = values(request, std::string("claim.") + name);
  if (!json_is_array(value) || json_array_size(value) == 0) {
    check(facts.size() == 1 && shows(facts.front(), value), "a claim is its fact");
    return 1;
  }
  check(facts.size() == json_array_size(value), "a list has a fact for each element");
  for (std::size_t i = 0; i < facts.size(); ++i)
    check(shows(facts[i], json_array_get(value, i)), "an element is its fact");
  return facts.size();
}

bool is_member(const json_t* payload, const char* name, const std::vector<std::string>& facts) {
  const json_t* value = json_object_get(payload, name);
  return facts.empty() ? value == nullptr : value != nullptr && text_of(value) == facts.front();
}

void judge_payload(const JwtRequest& request, const json_t* payload) {
  check(is_member(payload, "iss", values(request, "issuer")), "the issuer is the fact");
  check(is_member(payload, "sub", values(request, "subject")), "the subject is the fact");
  const auto audience = values(request, "audience");
  const json_t* aud = json_object_get(payload, "aud");
  if (json_is_array(aud)) {
    check(json_array_size(aud) == audience.size(), "the audience has as many as the facts");
    for (std::size_t i = 0; i < audience.size(); ++i)
      check(text_of(json_array_get(aud, i)) == audience[i], "each audience is a fact");
  } else {
    check(audience.size() == 1 && text_of(aud) == audience.front(), "the audience is the fact");
  }
  std::size_t claims = 0;
  const char* name = nullptr;
  const json_t* value = nullptr;
  for (void* at = json_object_iter(const_cast<json_t*>(payload)); at != nullptr;
       at = json_object_iter_next(const_cast<json_t*>(payload), at)) {
    name = json_object_iter_key(at);
    value = json_object_iter_value(at);
    if (!is_registered_claim(name)) claims += judge_claim(request, name, value);
  }
  std::size_t facts = 0;
  for (const Fact& fact : request.facts().all()) facts += fact.name.starts_with("claim.") ? 1 : 0;
  check(facts == claims, "every claim that is a fact is in the token");
}

void judge(const JwtRequest& parsed, KeyType type, const JwtMint& mint) {
  JwtRequest request = parsed;
  request.settle(type);
  const Algorithm algorithm = request.algorithm_for(type);
  const JwtBytes bytes = request.bytes(algorithm, mint);
  const std::size_t dot = bytes.signing_input.find('.');
  check(dot != std::string::npos, "a token has two parts before its signature");
  const Tree header = tree_of(from_base64url(std::string_view(bytes.signing_input).substr(0, dot)));
  check(header && json_object_size(header.get()) == 3, "the header has three members");
  check(text_of(json_object_get(header.get(), "alg")) == to_string(algorithm),
        "the header's alg is the key's");
  check(values(request, "algorithm") == std::vector{std::string(to_string(algorithm))},
        "policy saw the algorithm");
  check(text_of(json_object_get(header.get(), "kid")) == mint.kid, "the kid is the daemon's");
  const auto typ = values(request, "typ");
  check(text_of(json_object_get(header.get(), "typ")) == (typ.empty() ? "JWT" : typ.front()),
        "the typ is the fact");

  const std::string text = from_base64url(std::string_view(bytes.signing_input).substr(dot + 1));
  check(is_utf8(text), "the payload is UTF-8");
  const Tree payload = tree_of(text);
  if (!payload) return;  // a number or a name with a NUL that Jansson does not take
  const auto number = [&](const char* name) {
    return json_integer_value(json_object_get(payload.get(), name));
  };
  check(number("exp") - number("iat") == request.ttl().count() + (mint.forced.empty() ? 0 : 30),
        "it lives for its ttl");
  check(number("nbf") == number("iat"), "it holds from when it was made");
  check(text_of(json_object_get(payload.get(), "jti")) == mint.jti, "the jti is the daemon's");
  if (mint.forced.empty()) return judge_payload(request, payload.get());
  check(text_of(json_object_get(payload.get(), "iss")) == "forced issuer" &&
            text_of(json_object_get(payload.get(), "sub")) == "forced subject" &&
            text_of(json_object_get(payload.get(), "tenant")) == "forced",
        "what the grant forces is there");
}

}  // namespace
}  // namespace holdfast::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  static const SystemTime now = *from_rfc3339("2026-01-01T00:00:00Z");
  fuzz::answers({ErrorKind::invalid_request}, [&] {
    const auto request = format::JwtRequest::parse(parse_json_object(as_text({data, size})));
    for (const KeyType type :
         {KeyType::ec_p256, KeyType::ec_p384, KeyType::rsa_2048, KeyType::ed25519})
      fuzz::answers({ErrorKind::invalid_request}, [&] {
        fuzz::judge(request, type, {now, "kid", "jti", {}});
      });
    fuzz::answers({ErrorKind::invalid_request}, [&] {
      fuzz::judge(request, KeyType::ec_p256,
                  {now,
                   "kid",
                   "jti",
                   {{"issuer", "forced issuer"},
                    {"subject", "forced subject"},
                    {"backdate", "30s"},
                    {"claim.tenant", "forced"}}});
    });
  });
  return 0;
}
