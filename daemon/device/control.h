// What the supervisor and its children say to each other, over one SOCK_SEQPACKET socket a child
// (descriptor 3 in the child). Small JSON texts of one message each, with descriptors beside them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/base/json.h"
#include "daemon/base/posix.h"

namespace holdfast::device {

inline constexpr int kControlFd = 3;

// supervisor -> core:   {"listen":"application|admin|metrics"} + the bound socket
//                       {"link":"tpm"} + the core's end of a new device link
//                       {"callers":true} + the core's end of a new link to holdfast-caller
//                       {"process":"device tpm","protection":{…}}: what that process found of itself
//                       {"reload":true}  {"stop":true}
// supervisor -> device, caller: {"link":"tpm"} + the other end
//                       {"stop":true}
// device, caller -> supervisor: {"protection":{…}}  {"ready":true}
// core -> supervisor:   {"ready":true,"status":"…"}  {"alive":true} (the watchdog's sign of life)
//                       {"overdue":"tpm"}  {"caller_overdue":true}: to be replaced
//                       {"record":"hsm","parent":"…"} + the file of its PinMark, for its process' next start; an
//                       HSM's is not started before. "parent" is empty for one that was never seen.
//                       {"reloaded":true|false,"status":"…"}  {"stopped":true}
// An end of file means the other side is gone: children leave at once.
struct ControlMessage {
  json::object body;
  std::vector<UniqueFd> descriptors;  // at most 4
};

// Blocking unless the socket is not; throws Error{internal} with errno. nullopt at end of file.
void send_control(int socket, const json::object& body,
                  std::initializer_list<int> descriptors = {});
std::optional<ControlMessage> receive_control(int socket);

}  // namespace holdfast::device
