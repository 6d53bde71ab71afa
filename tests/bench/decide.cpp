#include "tests/bench/decide.h"

#include <stdexcept>
#include <string>

#include "daemon/policy/policy.h"

namespace holdfast::bench {
namespace {

std::string key_name(std::size_t number) {
  return "key-" + std::to_string(number);
}

std::vector<policy::Source> sources(std::size_t grants, std::size_t keys) {
  constexpr std::size_t kInOneFile = 1000;  // a file of the configuration has at most 1 MiB
  std::vector<policy::Source> files;
  for (std::size_t i = 0; i < grants; ++i) {
    if (i % kInOneFile == 0) files.push_back({std::to_string(i) + ".toml", ""});
    const std::string number = std::to_string(i);
    files.back().text += "[[grant]]\nname = \"g" + number + "\"\nkey = \"" + key_name(i % keys) +
                         "\"\ncaller = { uid = " + std::to_string(1000 + i / keys) +
                         ", unit = \"app*.service\" }\nfacts = { service = \"s3\", method = "
                         "[\"GET\", \"PUT\"], path = \"/{user}/**\" }\nwhen = { days = "
                         "[\"mon-fri\"] }\n";
  }
  files.push_back({"deny.toml", ""});
  for (std::size_t i = 0; i < keys; ++i)
    files.back().text += "[[grant]]\nname = \"d" + std::to_string(i) +
                         "\"\neffect = \"deny\"\nkey = \"" + key_name(i) +
                         "\"\nfacts = { host = { cidr = \"10.0.0.0/8\" } }\n";
  return files;
}

}  // namespace

Samples decide(std::size_t grants, std::size_t keys, double seconds, int processor) {
  pin(processor);
  const auto rules = policy::Policy::load(sources(grants, keys));
  const std::size_t callers = grants / keys;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < keys; ++i) names.push_back(key_name(i));
  Caller caller;
  caller.user = "orders";
  caller.unit = "app1.service";
  Facts facts;
  for (const auto& [name, value] : {std::pair{"service", "s3"},
                                    {"region", "eu-west-1"},
                                    {"method", "GET"},
                                    {"host", "bucket.s3.eu-west-1.amazonaws.com"},
                                    {"path", "/orders/2026/7.pdf"},
                                    {"bucket", "bucket"},
                                    {"payload", "signed"},
                                    {"mode", "header"}})
    facts.add(name, value);
  const SystemTime monday = *from_rfc3339("2026-01-05T09:00:00Z");
  Samples samples;
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration<double>(seconds);
  std::size_t turn = 0, allowed = 0;
  for (auto now = start; now < end; ++turn) {
    // The last caller's grant of each key is the last that is looked at.
    caller.uid = static_cast<uid_t>(1000 + turn % callers);
    now = Clock::now();
    allowed += rules->decide({caller, names[turn * 7919 % keys], facts, {}, {}, monday}).allowed;
    samples.add(Clock::now() - now);
  }
  if (allowed != turn) throw std::runtime_error("a decision is not what it should be");
  samples.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return samples;
}

}  // namespace holdfast::bench
