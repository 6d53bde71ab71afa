// holdfast.toml and policy.d/*.toml. Unknown tables and keys are errors: a mistyped limit must not
// pass for none.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::config {

enum class Durability { written, fsync };

// Of each key version that signs: `sampled` leaves out most signatures (service/verification.h).
enum class Verify { always, sampled };
constexpr std::string_view to_string(Verify verify) noexcept {
  return verify == Verify::always ? "always" : "sampled";
}

// What a device of the backend "pkcs11" has beside others.
struct Hsm {
  std::string module;                    // the vendor's library
  std::string uri;                       // of its token (RFC 7512)
  std::string pin_file;                  // or
  std::string pin_credential;            // a systemd credential's name; neither: not logged in
  std::uint32_t parallel = 0;            // sessions at most; 0: as many as suit
  std::vector<std::string> writable;     // folders that the module writes to
  std::vector<std::string> environment;  // NAME=value, sorted
  bool network = false;                  // reached by TCP
  bool operator==(const Hsm&) const = default;
};

struct Device {
  std::string name;     // as a key name: [a-z0-9][a-z0-9._-]{0,62}
  std::string backend;  // "tpm", "pkcs11"
  std::string tcti;     // tpm: as tpm2-tss's TCTI loader takes it
  std::string sessions =
      "auto";  // tpm: "encrypted", "plain"; auto: encrypted but to a software TPM
  std::optional<std::uint32_t> anchor_index;  // tpm: NV index of its counter; 0: no counter
  Hsm hsm;
  Verify verify = Verify::always;
  bool operator==(const Device&) const = default;
};

// What the callers of the application socket may have.
struct Limits {
  std::size_t connections = 4096;
  std::size_t connections_per_user = 1024;
  std::size_t connections_without_grant = 64;
  bool operator==(const Limits&) const = default;
};

enum class AuditSink { journald, syslog };

struct Audit {
  Durability durability = Durability::written;
  std::string signing_key;  // of checkpoints, a key of use "audit"; empty: they are not signed
  std::string origin;       // of checkpoints; empty: the host's name and "/holdfast"
  std::chrono::seconds checkpoint_every{60};
  std::uint32_t keep_details_days = 0;  // 0: for ever
  std::vector<AuditSink> sinks;         // each once
  bool operator==(const Audit&) const = default;
};

struct Config {
  std::string path;
  std::string state_dir = "/var/lib/holdfast";
  std::string runtime_dir = "/run/holdfast";
  bool allow_software_devices = false;
  std::string user;                // that the core becomes when started as root; empty: stay
  std::string device_user;         // that device processes become; empty: stay
  std::string admin_group;         // that owns admin.sock and metrics.sock; empty: the daemon's own
  std::string log_level = "info";  // debug info warning error
  Audit audit;
  Limits limits;
  std::vector<Device> devices;
  bool operator==(const Config&) const = default;
};

// A connection takes two, its socket and its process's pidfd. 1,280 more are for administrators' and
// metrics' connections, for those that are only told of a limit, the log, key files and links.
constexpr std::size_t descriptors_for(std::size_t connections) {
  return 2 * connections + 1280;
}

struct File {
  std::string name;
  std::string text;
};

// The files in the order they count: `path` itself, then its folder's policy.d/*.toml sorted by
// name, each before those that it includes. Throws Error{not_found, too_large, internal}, and
// Error{invalid_request} for an include that is not below the folder, is read already, or lies
// deeper than 8; a file may have 1 MiB, policy.d 1,000 files, and as many may be included. Files
// whose name starts with a dot are left out of policy.d.
std::vector<File> read_files(const std::string& path);

// Refuses what others could change under us: `path`, its folder, policy.d, what is read there and
// what is included, with the folders down to it and those that links lead into, have to belong to root or to our own effective uid and not be writable by group or others. Throws
// Error{invalid_request} that says which chmod or chown cures it. Supervisor and core call it before
// read_files; it is apart from it because tests and offline commands read anyone's files.
void check_ownership(const std::string& path);

// The process part: [daemon], [audit] and [[device]] of the first file (policy.d may only hold
// grants). Throws Error{invalid_request} with file, line, and what to do about it.
Config parse(const std::vector<File>& files);

}  // namespace holdfast::config
