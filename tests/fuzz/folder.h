// A folder for the targets that read files, in memory where that exists.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "tests/fuzz/target.h"

namespace holdfast::fuzz {

class Folder {
 public:
  Folder() {
    const std::filesystem::path above =
        std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
    path_ = (above / "holdfast-fuzz-XXXXXX").string();
    check(::mkdtemp(path_.data()) != nullptr, "there is a folder");
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

  void write(std::string_view name, std::string_view text) const {
    const int fd = ::open((*this / name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()),
          "a file is written");
    ::close(fd);
  }

 private:
  std::string path_;
};

}  // namespace holdfast::fuzz
