#include "daemon/socket/accounts.h"

#include <algorithm>

#include "daemon/socket/http.h"

namespace holdfast::socket {

bool Accounts::admits(uid_t uid) const {
  const auto own = by_uid_.find(uid);
  return all_.connections < limits_.connections &&
         (own == by_uid_.end() || own->second.connections < limits_.connections_per_user);
}

std::size_t Accounts::share(std::size_t connections) const {
  const double part = static_cast<double>(std::min(connections, limits_.connections)) /
                      static_cast<double>(limits_.connections);
  const auto bytes = static_cast<std::size_t>(static_cast<double>(limits_.buffered_bytes) * part);
  return std::max(bytes, kMaxHeader + kMaxBody);
}

Place::Place(Accounts& accounts, uid_t uid)
    : accounts_(accounts), uid_(uid), own_(&accounts.by_uid_[uid]) {
  ++accounts_.all_.connections;
  ++own_->connections;
}

Place::~Place() {
  hold(0);
  --accounts_.all_.connections;
  if (--own_->connections == 0) accounts_.by_uid_.erase(uid_);
  if (group_ != nullptr && --group_->connections == 0) accounts_.by_group_.erase(group_name_);
  if (stranger_) --accounts_.strangers_.connections;
}

bool Place::join(const Standing& standing) {
  const Limits& limits = accounts_.limits_;
  if (!standing.named) {
    if (accounts_.strangers_.connections >= limits.connections_without_grant) return false;
    stranger_ = true;
    ++accounts_.strangers_.connections;
  }
  if (standing.group.empty()) return true;
  Accounts::Account& group = accounts_.by_group_[standing.group];
  if (group.connections >= limits.connections_per_user) return false;
  group_ = &group;
  group_name_ = standing.group;
  ++group.connections;
  return true;
}

Turn& Place::turn() {
  return stranger_ ? accounts_.strangers_.turn : group_ != nullptr ? group_->turn : own_->turn;
}

bool Place::hold(std::size_t bytes) {
  const Limits& limits = accounts_.limits_;
  Accounts::Account* const strangers = stranger_ ? &accounts_.strangers_ : nullptr;
  if (bytes > bytes_) {
    const std::size_t users = accounts_.share(limits.connections_per_user);
    if (!fits(accounts_.all_, limits.buffered_bytes, bytes) || !fits(*own_, users, bytes) ||
        (group_ != nullptr && !fits(*group_, users, bytes)) ||
        (strangers != nullptr &&
         !fits(*strangers, accounts_.share(limits.connections_without_grant), bytes)))
      return false;
  }
  for (Accounts::Account* account : {&accounts_.all_, own_, group_, strangers})
    if (account != nullptr) account->bytes = account->bytes - bytes_ + bytes;
  bytes_ = bytes;
  return true;
}

}  // namespace holdfast::socket
