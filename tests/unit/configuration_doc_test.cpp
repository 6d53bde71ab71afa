// docs/configuration.md promises that each of its examples loads; docs/hsm.md and docs/policy.md have some too.
#include <gtest/gtest.h>

#include <cstdlib>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"
#include "daemon/config/config.h"
#include "daemon/policy/policy.h"

namespace holdfast {
namespace {

struct Block {
  std::size_t line;
  std::string text;
};

std::vector<Block> toml_blocks(const std::string& page) {
  std::vector<Block> blocks;
  bool inside = false;
  std::size_t line = 0;
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t end = std::min(page.find('\n', at), page.size());
    const std::string text = page.substr(at, end - at);
    at = end + 1;
    ++line;
    if (text == "```toml") {
      inside = true;
      blocks.push_back({line + 1, ""});
    } else if (text == "```") {
      inside = false;
    } else if (inside) {
      // The accounts of the examples are not on every machine.
      std::string known = text;
      for (const char* key : {"user = \"orders\"", "group = \"orders\""})
        if (const auto found = known.find(key); found != std::string::npos)
          known.replace(known.find('"', found), 8, "\"root\"");
      blocks.back().text += known + "\n";
    }
  }
  return blocks;
}

TEST(ConfigurationReference, EveryExampleLoads) {
  const char* source = std::getenv("HOLDFAST_SOURCE_DIR");
  ASSERT_NE(source, nullptr) << "run this through ctest, which sets HOLDFAST_SOURCE_DIR";
  std::size_t loaded = 0;
  for (const std::string page :
       {"/docs/configuration.md", "/docs/hsm.md", "/docs/identity.md", "/docs/policy.md"}) {
    for (const Block& block : toml_blocks(read_file(source + page, 1 << 20))) {
      const std::string name = page + " from line " + std::to_string(block.line);
      ++loaded;
      try {
        config::parse({{name, block.text}});
        policy::Policy::load({{name, block.text}});
      } catch (const Error& error) {
        ADD_FAILURE() << error.detail() << "\n" << block.text;
      }
    }
  }
  EXPECT_GE(loaded, 20u);
}

}  // namespace
}  // namespace holdfast
