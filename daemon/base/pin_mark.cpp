#include "daemon/base/pin_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "daemon/base/error.h"

namespace holdfast {
namespace {

// Of one length and in one block of the disk, so that one takes another's place whole.
constexpr std::array<std::string_view, 4> kWords{"none    \n", "begun   \n", "refused \n",
                                                 "accepted\n"};
constexpr std::size_t kSize = kWords.front().size();

}  // namespace

PinMark PinMark::at(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) throw_errno(ErrorKind::internal, "open " + path);
  sync_folder(std::filesystem::path(path).parent_path());
  return PinMark(std::move(file));
}

PinMark::Word PinMark::read() const {
  if (!file_) return Word::none;
  std::array<char, kSize + 1> text;
  const ssize_t size = ::pread(file_.get(), text.data(), text.size(), 0);
  if (size < 0) throw_errno(ErrorKind::internal, "reading the PIN's mark");
  if (size == 0) return Word::none;
  const auto at = std::find(kWords.begin(), kWords.end(),
                            std::string_view(text.data(), static_cast<std::size_t>(size)));
  return at == kWords.end() ? Word::refused : static_cast<Word>(at - kWords.begin());
}

void PinMark::write(Word word) const {
  if (!file_ || read() == word) return;
  const std::string_view text = kWords.at(static_cast<std::size_t>(word));
  if (::pwrite(file_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ::fsync(file_.get()) != 0)
    throw_errno(ErrorKind::internal, "writing the PIN's mark");
}

}  // namespace holdfast
