#include "sdk/cli/rotation.h"

#include <algorithm>
#include <optional>

#include "sdk/cli/failure.h"
#include "sdk/cli/key_document.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

using Kind = RotationStep::Kind;

long number_of(const Version& version) {
  return std::strtol(version.number.c_str(), nullptr, 10);
}

// The newest pending version, if it is newer than the active one: an older one was passed over.
std::optional<Version> candidate_in(const std::vector<Version>& versions) {
  long active = 0;
  std::optional<Version> found;
  for (const Version& version : versions) {
    if (version.state == "active") active = number_of(version);
    if (version.state == "pending") found = version;
  }
  if (found && number_of(*found) < active) found.reset();
  return found;
}

void require_usable(const Version& version, const json::object& key) {
  if (!version.disabled && !version.lost) return;
  throw Failure(Exit::failed,
                field(key, "name") + " version " + version.number + " is pending and " +
                    (version.lost ? "lost" : "disabled"),
                "`holdfast key retire " + field(key, "name") + " " + version.number +
                    "`, then rotate again" + (version.lost ? "" : ", or enable it"));
}

}  // namespace

RotationStep next_step(const json::object& key, const RotationTimes& times, bool begin,
                       SystemTime since_when) {
  const std::vector<Version> versions = versions_of(key);
  std::optional<RotationStep> next;
  const auto consider = [&](Kind kind, const Version& version, SystemTime due) {
    if (!next || due < next->due) next = RotationStep{kind, version.number, version.kid, due};
  };
  if (const auto version = candidate_in(versions)) {
    require_usable(*version, key);
    consider(Kind::activate, *version,
             from_rfc3339(version->created).value_or(since_when) + times.publish);
  }
  for (const Version& version : versions)
    if (version.state == "verifying")
      consider(Kind::retire, version,
               from_rfc3339(version.since).value_or(since_when) + times.retire_after);
  if (next) return *next;
  return {begin ? Kind::add : Kind::none, "", "", since_when};
}

}  // namespace holdfast::cli
