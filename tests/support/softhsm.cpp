#include "tests/support/softhsm.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"

namespace holdfast::test {
namespace {

constexpr const char* kSecurityOfficersPin = "90210753";

std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace

std::string must_run(const std::vector<std::string>& command) {
  std::string line;
  for (const std::string& word : command) line += quoted(word) + ' ';
  std::FILE* const pipe = ::popen((line + "2>&1 </dev/null").c_str(), "re");
  if (pipe == nullptr) throw_errno(ErrorKind::internal, "popen");
  std::string output;
  std::array<char, 4096> some;
  while (const std::size_t size = std::fread(some.data(), 1, some.size(), pipe))
    output.append(some.data(), size);
  if (::pclose(pipe) != 0) throw Error(ErrorKind::internal, output, line);
  return output;
}

SoftHsm::SoftHsm() {
  std::filesystem::create_directory(folder_ / "tokens");
  replace_file(config(),
               "directories.tokendir = " + (folder_ / "tokens") +
                   "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
               0600);
  replace_file(pin_file(), kPin, 0400);
  ::setenv("SOFTHSM2_CONF", config().c_str(), 1);
}

SoftHsm::~SoftHsm() {
  ::unsetenv("SOFTHSM2_CONF");
}

void SoftHsm::add(const std::string& label) const {
  must_run({"softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin",
            kSecurityOfficersPin, "--pin", kPin});
}

void SoftHsm::remove(const std::string& label) const {
  must_run({"softhsm2-util", "--delete-token", "--token", label});
}

std::string SoftHsm::module() {
  for (const char* const path :
       {"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"})
    if (::access(path, R_OK) == 0) return path;
  throw Error(ErrorKind::internal, "SoftHSM's module is not installed");
}

}  // namespace holdfast::test
