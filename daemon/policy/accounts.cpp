#include "daemon/policy/accounts.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>

#include "daemon/base/error.h"

namespace holdfast::policy {
namespace {

// Calls get(buffer, size, &found) with growing buffers, as getpwnam_r(3) wants it. Returns found.
template <class Record, class Get>
Record* look_up(std::vector<char>& buffer, Get get) {
  constexpr std::size_t kMaxBytes = 1 << 20;
  for (buffer.resize(1024); buffer.size() <= kMaxBytes; buffer.resize(buffer.size() * 2)) {
    Record* found = nullptr;
    const int code = get(buffer.data(), buffer.size(), &found);
    if (code == ERANGE || code == EINTR) continue;
    // getpwnam_r(3), NOTES: several codes mean no more than "not found".
    if (code == 0 || code == ENOENT || code == ESRCH || code == EBADF || code == EPERM)
      return found;
    errno = code;
    throw_errno(ErrorKind::internal, "look up in the user database");
  }
  throw Error(ErrorKind::internal, "an entry of the user database is larger than 1 MiB",
              "look up in the user database");
}

std::optional<Account> account_from(const passwd* entry) {
  if (entry == nullptr) return std::nullopt;
  return Account{entry->pw_name, entry->pw_uid, entry->pw_gid};
}

}  // namespace

std::optional<Account> account_of(const std::string& user) {
  std::vector<char> buffer;
  passwd entry{};
  return account_from(look_up<passwd>(buffer, [&](char* data, std::size_t size, passwd** found) {
    return ::getpwnam_r(user.c_str(), &entry, data, size, found);
  }));
}

std::optional<Account> account_of(uid_t uid) {
  std::vector<char> buffer;
  passwd entry{};
  return account_from(look_up<passwd>(buffer, [&](char* data, std::size_t size, passwd** found) {
    return ::getpwuid_r(uid, &entry, data, size, found);
  }));
}

std::optional<gid_t> gid_of(const std::string& name) {
  std::vector<char> buffer;
  ::group entry{};
  const ::group* found =
      look_up<::group>(buffer, [&](char* data, std::size_t size, ::group** result) {
        return ::getgrnam_r(name.c_str(), &entry, data, size, result);
      });
  return found == nullptr ? std::nullopt : std::optional<gid_t>(found->gr_gid);
}

std::vector<gid_t> groups_of(const Account& account) {
  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  while (::getgrouplist(account.user.c_str(), account.gid, groups.data(), &count) < 0)
    groups.resize(static_cast<std::size_t>(count));
  groups.resize(static_cast<std::size_t>(count));
  std::erase(groups, account.gid);
  return groups;
}

}  // namespace holdfast::policy
