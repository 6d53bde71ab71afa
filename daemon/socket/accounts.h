// How many connections and buffered bytes callers hold: each alone, those of one user's slice or one
// container together, and all whom no grant names together. Pure: no clock, no I/O.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <unordered_map>

#include "daemon/socket/limits.h"
#include "daemon/socket/turns.h"

namespace holdfast::socket {

// With whom a caller is counted, as far as its Session knows.
struct Standing {
  bool named = true;  // by some grant; all who are not share one small pool
  std::string group;  // a user's slice, or a container: many uids are one caller there. Empty: none
};

class Accounts {
 public:
  explicit Accounts(const Limits& limits) : limits_(limits) {}

  std::size_t connections() const { return all_.connections; }
  // Is there room for another connection of this uid, whoever it turns out to be?
  bool admits(uid_t uid) const;

 private:
  friend class Place;
  struct Account {
    std::size_t connections = 0;
    std::size_t bytes = 0;
    Turn turn;
  };
  // What an account may buffer is what it may have of the connections, and at least one request.
  std::size_t share(std::size_t connections) const;

  Limits limits_;
  Account all_;
  Account strangers_;
  std::unordered_map<uid_t, Account> by_uid_;
  std::unordered_map<std::string, Account> by_group_;
};

// What one connection takes from the accounts, until it is destroyed.
class Place {
 public:
  Place(Accounts& accounts, uid_t uid);
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place();

  // Counts it with those it belongs to, once. False if there is no room among them.
  bool join(const Standing& standing);
  // Changes what it buffers. False, and nothing is changed, if it would be over somebody's share.
  bool hold(std::size_t bytes);
  // Of its group, of strangers, or of its uid: one of a crowd has the crowd's.
  Turn& turn();

 private:
  bool fits(const Accounts::Account& account, std::size_t share, std::size_t bytes) const {
    return account.bytes - bytes_ + bytes <= share;
  }

  Accounts& accounts_;
  uid_t uid_;
  Accounts::Account* own_;
  Accounts::Account* group_ = nullptr;
  std::string group_name_;
  bool stranger_ = false;
  std::size_t bytes_ = 0;
};

}  // namespace holdfast::socket
