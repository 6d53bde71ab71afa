// The user database, asked when a policy is loaded and never after.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace holdfast::policy {

struct Account {
  std::string user;
  uid_t uid = 0;
  gid_t gid = 0;
};

// nullopt where there is none. Throws Error{internal} where the database can't be read.
std::optional<Account> account_of(const std::string& user);
std::optional<Account> account_of(uid_t uid);
std::optional<gid_t> gid_of(const std::string& group);
// The account's supplementary groups, without its own gid.
std::vector<gid_t> groups_of(const Account& account);

}  // namespace holdfast::policy
