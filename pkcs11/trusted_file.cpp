#include "pkcs11/trusted_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <deque>
#include <sstream>
#include <system_error>

#include "daemon/base/error.h"

namespace holdfast::pkcs11 {
namespace {

constexpr int kMostLinks = 40;  // as the kernel's own MAXSYMLINKS

[[noreturn]] void refuse(std::string detail) {
  throw Error(ErrorKind::invalid_request, std::move(detail), "trusted_file");
}

struct stat status_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0)
    refuse("the PKCS#11 module can't be reached: " + path + ": " +
           std::generic_category().message(errno));
  return status;
}

// The sticky bit doesn't help: it lets others put a file where there is none yet.
void demand_trust(const std::string& path, const struct stat& status) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid())
    refuse("the PKCS#11 module is not loaded, because " + path + " belongs to uid " +
           std::to_string(status.st_uid) + ": chown root " + path);
  if (!S_ISLNK(status.st_mode) && (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    refuse("the PKCS#11 module is not loaded, because others than its owner can write " + path +
           ": chmod go-w " + path);
}

std::deque<std::string> parts_of(const std::string& path) {
  std::deque<std::string> parts;
  std::istringstream stream(path);
  for (std::string part; std::getline(stream, part, '/');)
    if (!part.empty() && part != ".") parts.push_back(part);
  return parts;
}

std::string target_of(const std::string& link) {
  std::array<char, PATH_MAX> target;
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  if (size <= 0) refuse("the PKCS#11 module can't be reached: " + link + " can't be read");
  return {target.data(), static_cast<std::size_t>(size)};
}

}  // namespace

// Link by link, because a link within a folder that others write leads wherever they want.
std::string trusted_file(const std::string& path) {
  if (path.empty() || path.front() != '/' || path.find('\0') != std::string::npos)
    refuse("the path of a PKCS#11 module is absolute");
  std::deque<std::string> rest = parts_of(path);
  std::string at;  // the root
  demand_trust("/", status_of("/"));
  for (int links = 0; !rest.empty();) {
    const std::string part = rest.front();
    rest.pop_front();
    if (part == "..") {
      at.erase(at.empty() ? 0 : at.rfind('/'));
      continue;
    }
    const std::string next = at + '/' + part;
    const struct stat status = status_of(next);
    demand_trust(next, status);
    if (!S_ISLNK(status.st_mode)) {
      at = next;
      continue;
    }
    if (++links > kMostLinks) refuse("the PKCS#11 module can't be reached: too many links");
    const std::string target = target_of(next);
    if (target.front() == '/') at.clear();
    const std::deque<std::string> more = parts_of(target);
    rest.insert(rest.begin(), more.begin(), more.end());
  }
  if (!S_ISREG(status_of(at.empty() ? "/" : at).st_mode))
    refuse("the PKCS#11 module is not a file: " + path);
  return at;
}

}  // namespace holdfast::pkcs11
