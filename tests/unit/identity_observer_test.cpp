// What holdfast-caller sees: digests of executables, namespaces, and how it says so.
#include <sched.h>

#include <filesystem>
#include <fstream>

#include "daemon/base/openssl.h"
#include "daemon/identity/digests.h"
#include "daemon/identity/observer.h"
#include "daemon/identity/owned.h"
#include "tests/unit/identity_support.h"

namespace holdfast::identity {
namespace {

// A file as executable_of() gives it, wherever it lies.
Executable opened(const std::string& path) {
  Executable made;
  made.path = path;
  made.file = UniqueFd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  EXPECT_TRUE(inspect(made.file.get(), "", AT_EMPTY_PATH, made.status)) << path;
  return made;
}

void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

// How many pieces it took.
int finish(Digests& digests) {
  int pieces = 0;
  for (; digests.busy(); ++pieces) digests.work();
  return pieces;
}

TEST(Digests, AreMadeInPiecesAndKeptUntilTheFileIsAnother) {
  const Listener listener;  // for its folder
  const std::string path = listener.folder() + "/program";
  const std::string text(3'000'000, 'x');
  write(path, text);
  Digests digests;
  EXPECT_TRUE(digests.of(opened(path)).pending);
  EXPECT_TRUE(digests.of(opened(path)).pending) << "asked again, begun once";
  EXPECT_GT(finish(digests), 5);
  const Digests::Answer known = digests.of(opened(path));
  EXPECT_FALSE(known.pending);
  EXPECT_EQ(known.hex, sha256_hex(text));
  EXPECT_FALSE(digests.busy());

  write(path, "short");
  EXPECT_TRUE(digests.of(opened(path)).pending);
  finish(digests);
  EXPECT_EQ(digests.of(opened(path)).hex, sha256_hex("short"));
  std::filesystem::remove(path);
}

TEST(Digests, OfAFileThatChangesMeanwhileAreNotKept) {
  const Listener listener;
  const std::string path = listener.folder() + "/program";
  for (const std::string& later :
       {std::string(1'000'000, 'y'), std::string(2'000'000, 'y'), std::string("less")}) {
    write(path, std::string(1'000'000, 'x'));
    Digests digests;
    const Executable before = opened(path);
    EXPECT_TRUE(digests.of(before).pending);
    digests.work();
    write(path, later);
    finish(digests);
    EXPECT_TRUE(digests.of(before).pending) << "nothing is known of what it was";
  }
  std::filesystem::remove(path);
}

TEST(Digests, AreNoneOfWhatIsTooLargeOrCanNotBeRead) {
  const Listener listener;
  const std::string path = listener.folder() + "/program";
  write(path, "");
  Digests digests;
  std::filesystem::resize_file(path, Digests::kMostBytes + 1);
  const Digests::Answer large = digests.of(opened(path));
  EXPECT_FALSE(large.pending);
  EXPECT_EQ(large.hex, "");
  EXPECT_FALSE(digests.of({}).pending);
  EXPECT_FALSE(digests.busy());
  std::filesystem::remove(path);
}

// So that nobody makes us hold descriptors without an end.
TEST(Digests, AreBegunForAFewFilesAtATime) {
  const Listener listener;
  Digests digests;
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = open_files();
  for (int i = 0; i < 100; ++i) {
    const std::string path = listener.folder() + "/" + std::to_string(i);
    write(path, std::to_string(i));
    EXPECT_TRUE(digests.of(opened(path)).pending);
  }
  EXPECT_LE(open_files(), before + 8);
  for (int i = 0; i < 100; ++i) {
    const std::string path = listener.folder() + "/" + std::to_string(i);
    while (digests.of(opened(path)).pending) digests.work();
    EXPECT_EQ(digests.of(opened(path)).hex, sha256_hex(std::to_string(i)));
    std::filesystem::remove(path);
  }
}

// Threat row 22.
TEST(Namespace, OfAChildIsSeenAsNested) {
  NEEDS_ROOT();
  EXPECT_FALSE(is_nested(::getpid()));
  EXPECT_TRUE(is_nested(0)) << "what can't be read";
  Leash leash;
  int named[2];
  ASSERT_EQ(::pipe2(named, O_CLOEXEC), 0);
  const pid_t outer = fork_to([&] {
    if (::unshare(CLONE_NEWPID) != 0) return 1;
    const pid_t inner = fork_to([&] {
      leash.wait();
      return 0;
    });
    if (::write(named[1], &inner, sizeof inner) != sizeof inner) return 2;
    return exit_code(inner);
  });
  pid_t inner = 0;
  ASSERT_EQ(::read(named[0], &inner, sizeof inner), static_cast<ssize_t>(sizeof inner));
  EXPECT_TRUE(is_nested(inner));
  EXPECT_FALSE(is_nested(outer)) << "it made the namespace, and is not in it";
  leash.release();
  EXPECT_EQ(exit_code(outer), 0);
  ::close(named[0]);
  ::close(named[1]);
}

TEST(Answer, SaysAllThatWasSeen) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd one(ends[0]), other(ends[1]);
  for (const bool flag : {false, true}) {
    ASSERT_TRUE(send_answer(
        one.get(), {7, {"exe", "0::/\n", "label", "container", "pod", "digest", flag, !flag}}));
    const auto answer = receive_answer(other.get());
    ASSERT_TRUE(answer);
    const Process& process = answer->process;
    EXPECT_EQ(answer->id, 7u);
    EXPECT_EQ(process.exe + process.cgroup + process.label, "exe0::/\nlabel");
    EXPECT_EQ(process.container + process.pod + process.exe_sha256, "containerpoddigest");
    EXPECT_EQ(process.nested, flag);
    EXPECT_EQ(process.measuring, !flag);
    ASSERT_TRUE(send_question(one.get(), 9, one.get(), flag));
    const auto question = receive_question(other.get());
    ASSERT_TRUE(question);
    EXPECT_EQ(question->id, 9u);
    EXPECT_EQ(question->measure, flag);
  }
  const std::string more = std::string(16, '\0') + "a\0b\0c\0d\0e\0f\0g" + '\0';
  ASSERT_GT(::send(one.get(), more.data(), more.size(), 0), 0);
  EXPECT_FALSE(receive_answer(other.get())) << "too few texts";
}

}  // namespace
}  // namespace holdfast::identity
