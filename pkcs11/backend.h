// Keys on a PKCS#11 token (an HSM, a smart card, SoftHSM), through its vendor's module. `DeviceKey::object`
// is an RFC 7512 URI of the private key.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/base/pin_mark.h"
#include "daemon/base/secret.h"
#include "daemon/key/backend.h"

namespace holdfast::pkcs11 {

struct Settings {
  std::string module;          // absolute path of the vendor's shared library
  std::string uri;             // of the token (RFC 7512 §2.3): "pkcs11:token=holdfast;serial=…"
  Secret pin;                  // the user's; empty: not logged in
  std::uint32_t sessions = 0;  // at most; 0: as many as suit the machine and the token
  std::string name = "NAME";   // the device's, for what an administrator is told to do
  // Another token than this one (DeviceDescription::parent_name) is described, and given no PIN; empty: none is.
  std::string on_record = {};
  std::shared_ptr<const PinMark> mark = std::make_shared<const PinMark>();
  // Called, from any thread, where the token answers questions and fails one command after the other: for some
  // modules only a new process helps. If it returns, the device has to be opened again.
  std::function<void()> beyond_help = [] {};
};

// Loads the module, once in a process and never unloaded, finds the token and logs in. The backend is also an
// Enroller. The caller owns it, and destroys it before it opens the same token again. Throws Error:
// device_unavailable in most cases, invalid_request for settings that can't be right.
//
// Never tries a PIN again that the token refused, here or before `mark` says so, and tries none where the token says that a
// wrong one was given since the last right one (CKF_USER_PIN_COUNT_LOW): repeated log-ins lock tokens.
//
// Calls block, without a deadline of their own, for as long as the module takes; the process around this has
// to end an overdue one.
std::unique_ptr<Backend> open(const Settings& settings);

}  // namespace holdfast::pkcs11
