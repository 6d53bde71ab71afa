#include "sdk/cli/claims.h"

#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

struct Pair {
  std::string name, value;
};

Pair split(const std::string& claim, const std::string& option, const std::string& example) {
  const std::size_t mark = claim.find('=');
  if (mark == std::string::npos || mark == 0)
    throw Failure(Exit::usage, "no claim: " + claim, "write " + option + " " + example);
  return {claim.substr(0, mark), claim.substr(mark + 1)};
}

json::value read_value(const Pair& claim) {
  try {
    return parse_json(claim.value);
  } catch (const Error& error) {
    throw Failure(Exit::usage, "the value of " + claim.name + " is no JSON: " + error.detail(),
                  "a text needs its own quotes: --claim " + claim.name +
                      "='\"…\"', or --claim-text " + claim.name + "=…");
  }
}

void add(json::object& claims, const std::string& name, json::value value) {
  if (!claims.emplace(name, std::move(value)).second)
    throw Failure(Exit::usage, "the claim " + name + " is given twice",
                  "give a list as one value: --claim " + name + "='[…]'");
}

}  // namespace

json::object read_claims(const std::vector<std::string>& values,
                         const std::vector<std::string>& texts) {
  json::object claims;
  for (const std::string& text : values) {
    const Pair claim = split(text, "--claim", "scope='\"read\"'");
    add(claims, claim.name, read_value(claim));
  }
  for (const std::string& text : texts) {
    Pair claim = split(text, "--claim-text", "scope=read");
    add(claims, claim.name, json::string(claim.value));
  }
  return claims;
}

}  // namespace holdfast::cli
