// What an administrator does to keys: device first, then disk, then memory, so that an acknowledged
// key is there after any crash and a failed change leaves nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/awaitable.hpp>

#include "daemon/base/json.h"
#include "daemon/key/store.h"
#include "daemon/service/key_material.h"
#include "daemon/service/service.h"

namespace holdfast {

// Bodies and replies are sdk/API.md's; each method throws its errors (conflict, not_found, …).
class KeyAdmin {
 public:
  KeyAdmin(Service& service, const Store& store) : service_(service), store_(store) {}

  boost::asio::awaitable<json::object> create(std::uint64_t account, std::string_view body);
  boost::asio::awaitable<json::object> import(std::uint64_t account, std::string_view body);
  // Of a key that its device holds already.
  boost::asio::awaitable<json::object> enrol(std::uint64_t account, std::string_view body);
  boost::asio::awaitable<json::object> add_version(std::uint64_t account, std::string name,
                                                   std::string_view body);
  // `verb`: activate, retire, disable or enable.
  boost::asio::awaitable<json::object> change_version(std::string name, std::string number,
                                                      std::string verb);
  // PKCS#10 for one version: {"csr_pem","version"}.
  boost::asio::awaitable<json::object> request_certificate(std::uint64_t account, std::string name,
                                                           std::string_view body);
  struct Attached {
    json::object document;  // the key's
    std::string what;       // for the record
  };
  boost::asio::awaitable<Attached> attach_certificate(std::string name, std::string_view body);
  boost::asio::awaitable<json::object> set_disabled(std::string name, bool disabled);
  boost::asio::awaitable<void> remove(std::uint64_t account, std::string name);

  // The key that this call's body named, for its record; empty where it named none.
  std::string take_named() { return std::exchange(named_, {}); }

 private:
  // A key that exists and whose files are whole. Throws Error{not_found, key_lost}.
  Key require(const std::string& name) const;
  device::Client& choose_device(const std::optional<std::string>& name) const;
  boost::asio::awaitable<json::object> add_key(std::uint64_t account, Key key,
                                               device::Client& device, Material material);
  // Puts a version on record that its device holds already. What no record names in the end the device need not hold either.
  boost::asio::awaitable<json::object> keep(std::uint64_t account, device::Client& device, Key key,
                                            KeyVersion version, VersionState state, bool is_new);
  // Verifiers find a token's key by its kid alone, so two keys of use jwt can't share one. `hold` keeps
  // it from a second change under way. Throws Error{conflict}.
  void hold_kid(const std::string& kid, std::optional<Catalogue::Change>& hold);
  boost::asio::awaitable<json::object> save_new(Key key);
  boost::asio::awaitable<json::object> save(Key key);

  Service& service_;
  const Store& store_;
  std::string named_;
};

}  // namespace holdfast
