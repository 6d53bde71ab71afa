// Small policies and questions for the tests of policy.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/base/error.h"
#include "daemon/policy/policy.h"

namespace holdfast::policy {

using Pairs = std::vector<Fact>;
using Texts = std::vector<std::string>;

inline std::shared_ptr<const Policy> load(const std::string& text) {
  return Policy::load({{"h.toml", text}});
}

inline std::string complaint(const std::string& text) {
  try {
    load(text);
    return "";
  } catch (const Error& error) {
    return error.detail();
  }
}

// A grant of the key "k" for uid 1001; `rest` are further lines.
inline std::string allow(const std::string& name, const std::string& rest = "") {
  return "[[grant]]\nname = \"" + name + "\"\nkey = \"k\"\ncaller = { uid = 1001 }\n" + rest + "\n";
}
// One that denies it to everybody.
inline std::string deny(const std::string& name, const std::string& rest = "") {
  return "[[grant]]\nname = \"" + name + "\"\neffect = \"deny\"\nkey = \"k\"\n" + rest + "\n";
}

inline Caller orders() {
  Caller caller;
  caller.uid = caller.gid = 1001;
  caller.groups = {2000};
  caller.user = "orders";
  caller.unit = "orders.service";
  caller.exe = "/usr/bin/orders";
  return caller;
}

struct Asked {
  Pairs facts{};
  Caller caller = orders();
  std::string key = "k";
  std::optional<std::chrono::seconds> ttl{};
  SystemTime now{};

  Decision decide(const Policy& policy) const {
    Facts all;
    for (const Fact& fact : facts) all.add(fact.name, fact.value);
    return policy.decide({caller, key, all, std::chrono::seconds(0), ttl, now});
  }
};

inline bool allowed(const std::string& text, const Asked& asked) {
  return asked.decide(*load(text)).allowed;
}

}  // namespace holdfast::policy
