#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "sdk/cli/command.h"
#include "sdk/cli/completion.h"

namespace holdfast::cli {
namespace {

std::string script(const std::string& shell) {
  Context context;
  return completion_script(*make_program(context), shell);
}

// What bash offers for the words of a command line, the last of which is being typed.
std::string offered_by_bash(const std::string& words) {
  char name[] = "/tmp/holdfast-cli-XXXXXX";
  close(mkstemp(name));
  std::ofstream(name)
      << script("bash") << "\nholdfast() { echo orders-aws; }\nCOMP_WORDS=(" << words
      << ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_holdfast\necho \"${COMPREPLY[*]}\"\n";
  std::FILE* pipe = popen(("bash --norc " + std::string(name) + " 2>&1").c_str(), "r");
  std::string out(4096, '\0');
  out.resize(std::fread(out.data(), 1, out.size(), pipe));
  pclose(pipe);
  unlink(name);
  return out;
}

TEST(BashCompletion, OffersCommandsOptionsAndKeys) {
  EXPECT_EQ(offered_by_bash("holdfast ke"), "key\n");
  EXPECT_EQ(offered_by_bash("holdfast key ac"), "activate\n");
  EXPECT_EQ(offered_by_bash("holdfast --json key show --p"), "--pem\n");
  EXPECT_EQ(offered_by_bash("holdfast key show or"), "orders-aws\n");
  EXPECT_EQ(offered_by_bash("holdfast sign sigv4 --key ''"), "orders-aws\n");
  EXPECT_EQ(offered_by_bash("holdfast token jwt --key ''"), "orders-aws\n");
  EXPECT_EQ(offered_by_bash("holdfast token jwt --claim-"), "--claim-text\n");
  EXPECT_EQ(offered_by_bash("holdfast device acc"), "accept\n");
  EXPECT_EQ(offered_by_bash("holdfast key import or"), "\n");
  EXPECT_EQ(offered_by_bash("holdfast key attach-certificate or"), "orders-aws\n");
  EXPECT_EQ(offered_by_bash("holdfast key enrol or"), "\n");
  EXPECT_EQ(offered_by_bash("holdfast key enrol --u"), "--uri --use\n");
  EXPECT_EQ(offered_by_bash("holdfast aws curl --data-u"), "--data-urlencode\n");
}

TEST(Completion, NamesEveryCommandInEveryShell) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string text = script(shell);
    for (const char* word : {"import-aws", "sigv4", "jwt", "jwks", "accept", "suggest", "verify",
                             "--presign", "--data-binary"})
      EXPECT_NE(text.find(word), std::string::npos) << shell << " " << word;
  }
}

TEST(Program, HasHelpWithAnExampleAtEveryLevel) {
  Context context;
  const auto app = make_program(context);
  const std::function<void(const CLI::App*)> check = [&](const CLI::App* command) {
    const bool has_example = command->get_name() == "curl" ||
                             command->get_footer().find("holdfast ") != std::string::npos;
    EXPECT_TRUE(has_example) << command->get_name();
    EXPECT_FALSE(command->get_description().empty()) << command->get_name();
    for (const CLI::App* below : command->get_subcommands(nullptr)) check(below);
  };
  check(app.get());
}

}  // namespace
}  // namespace holdfast::cli
