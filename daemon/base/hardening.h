// What each process gives up before it reads a byte that somebody else wrote.
#pragma once

#include <initializer_list>
#include <string>

namespace holdfast {

enum class Profile {
  supervisor,      // no ptrace, no mounts, no modules, …: what none of ours ever does
  core,            // and no exec, no sockets but Unix
  device,          // as the core, for a TPM that is a file or behind a Unix socket
  device_network,  // inet stays, for a software TPM or an HSM behind TCP
  caller,          // nothing but reading, and answering over what it has
};

// No core dump, no ptrace by the same uid, no new privileges through exec.
void harden_process();
// Killed when the parent dies.
void die_with_parent();

// All signals but those of a fault: the supervisor's word alone ends such a process, and an EINTR breaks
// ESAPI's context (FACTS).
void block_signals();

// Installs the process's seccomp filter. Throws Error{internal}. A forbidden call fails with EPERM.
void restrict_system_calls(Profile profile);

// Becomes `user` with its groups, keeping of root's capabilities those given. Root that stays root
// (`user` empty) also keeps CAP_DAC_OVERRIDE, for what belongs to others, such as /dev/tpmrm0. Throws
// Error{internal}.
void become_user(const std::string& user, std::initializer_list<int> keep);

}  // namespace holdfast
