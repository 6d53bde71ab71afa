#include "daemon/base/pin_mark.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "tests/support/folder.h"

namespace holdfast {
namespace {

using Word = PinMark::Word;

TEST(PinMark, SaysToAnotherProcessWhatWasWrittenLast) {
  const test::Folder folder;
  const std::string path = folder / "mark";
  EXPECT_EQ(PinMark::at(path).read(), Word::none);
  for (const Word word : {Word::begun, Word::refused, Word::accepted, Word::none, Word::refused}) {
    PinMark::at(path).write(word);
    EXPECT_EQ(PinMark::at(path).read(), word);
  }
}

TEST(PinMark, OfNoFileForbidsNothing) {
  const PinMark mark;
  mark.write(Word::refused);
  EXPECT_EQ(mark.read(), Word::none);
}

TEST(PinMark, ThatNobodyOfUsWroteForbids) {
  const test::Folder folder;
  for (const char* const text : {"refus", "none", "none    \nnone    \n", "\n"}) {
    replace_file(folder / "mark", text, 0600);
    EXPECT_EQ(PinMark::at(folder / "mark").read(), Word::refused) << text;
  }
}

TEST(PinMark, IsNotReachedThroughALink) {
  const test::Folder folder;
  ASSERT_EQ(::symlink("/dev/null", (folder / "mark").c_str()), 0);
  EXPECT_THROW(PinMark::at(folder / "mark"), Error);
}

}  // namespace
}  // namespace holdfast
