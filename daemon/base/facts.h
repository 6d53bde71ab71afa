// The attributes of an intent that policy sees. format fills them, policy judges them, audit keeps
// them; a name may stand more than once (a repeated header), and then every value has to match.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

struct Fact {
  std::string name;  // "service", "path", "query.prefix", "header.x-amz-acl": lower case where the
                     // protocol is blind to case
  std::string value;
};

class Facts {
 public:
  void add(std::string name, std::string value) {
    facts_.push_back({std::move(name), std::move(value)});
  }
  const std::vector<Fact>& all() const { return facts_; }
  // The first of that name, or nullptr.
  const std::string* find(std::string_view name) const {
    for (const Fact& fact : facts_)
      if (fact.name == name) return &fact.value;
    return nullptr;
  }

 private:
  std::vector<Fact> facts_;
};

// The seven claims of RFC 7519 §4.1, which nobody sets but the daemon or by a field of their own; in any case
// of their letters, because some verifiers (Go's encoding/json) take "Sub" for "sub", and with whatever
// follows a NUL, where a reader in C ends a name.
bool is_registered_claim(std::string_view name);

// May a verifier take one claim's name for the other's, for the same reason?
bool reads_alike(std::string_view one, std::string_view other);

// The fact's value of a text that stands where any JSON value may (a token's claim): the text itself,
// unless it reads as JSON (true, 42, "quoted"): then the JSON string, so that a pattern for the
// number 42 does not take the text "42" or the other way round.
std::string fact_of_text(std::string_view text);

}  // namespace holdfast
