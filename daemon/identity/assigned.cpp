#include "daemon/identity/assigned.h"

#include <algorithm>
#include <array>
#include <optional>

#include "daemon/identity/cgroup.h"
#include "daemon/identity/label.h"

namespace holdfast::identity {
namespace {

constexpr std::size_t kIdDigits = 64, kUuid = 36, kStaticPodHash = 32;

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool take(std::string_view& text, std::string_view before, std::string_view after = {}) {
  if (text.size() < before.size() + after.size() || !text.starts_with(before) ||
      !text.ends_with(after))
    return false;
  text.remove_prefix(before.size());
  text.remove_suffix(after.size());
  return true;
}

std::string id_from(std::string_view text) {
  return text.size() == kIdDigits && is_hex(text) ? std::string(text) : std::string();
}

// A UUID; of a static pod the hash of its manifest. systemd's driver writes '_' for '-', which in the name of a
// slice separates levels.
std::string pod_uid(std::string_view text, char dash) {
  std::string uid(text);
  if (uid.size() == kStaticPodHash && is_hex(uid)) return uid;
  if (uid.size() != kUuid) return {};
  for (std::size_t i = 0; i < uid.size(); ++i) {
    const bool separates = i == 8 || i == 13 || i == 18 || i == 23;
    if (separates ? uid[i] != dash : !is_hex(uid.substr(i, 1))) return {};
    if (separates) uid[i] = '-';
  }
  return uid;
}

// Kubernetes, "Node-allocatable" cgroups: kubepods[-burstable|-besteffort]-podUID.slice, or kubepods/[QOS/]podUID.
std::string pod_from(std::string_view name, bool below_kubepods) {
  if (take(name, "", ".slice")) {
    take(name, "kubelet-");
    if (!take(name, "kubepods-")) return {};
    if (!take(name, "burstable-")) take(name, "besteffort-");
    return take(name, "pod") ? pod_uid(name, '_') : std::string();
  }
  return below_kubepods && take(name, "pod") ? pod_uid(name, '-') : std::string();
}

std::string container_from(std::string_view name, std::string_view parent, bool in_pod) {
  static constexpr std::array<std::string_view, 5> kRuntimes{"docker-", "cri-containerd-", "crio-",
                                                             "nerdctl-", "libpod-"};
  for (const std::string_view runtime : kRuntimes)
    if (std::string_view id = name; take(id, runtime, ".scope")) return id_from(id);
  // podman-run(1), --cgroups=split: in the unit that started it.
  if (std::string_view id = name; parent.ends_with(".service") && take(id, "libpod-payload-"))
    return id_from(id);
  if (std::string_view id = name; parent == "libpod_parent" && take(id, "libpod-"))
    return id_from(id);
  if (std::string_view id = name; in_pod && take(id, "crio-")) return id_from(id);
  return parent == "docker" || in_pod ? id_from(name) : std::string();
}

std::string label_from(std::string_view path) {
  if (first_component(path) != kLabelSlice) return {};
  drop_first(path);
  return label_of(first_component(path)).value_or("");
}

}  // namespace

Assigned assigned_in(std::string_view path) {
  Assigned assigned;
  assigned.label = label_from(path);
  if (!assigned.label.empty()) assigned.folder = kLabelSlice;
  std::string_view parent;
  std::string pod;
  bool below_kubepods = false;
  for (std::string_view rest = path; assigned.container.empty() && !rest.empty();
       drop_first(rest)) {
    const std::string_view name = first_component(rest);
    assigned.container = container_from(name, parent, !pod.empty());
    if (!assigned.container.empty()) {
      assigned.folder = path.substr(0, path.size() - rest.size());
      if (!assigned.folder.empty()) assigned.folder.pop_back();  // the slash
      assigned.pod = pod;
    }
    pod = pod_from(name, below_kubepods);
    below_kubepods = below_kubepods || name == "kubepods";
    parent = name;
  }
  return assigned;
}

}  // namespace holdfast::identity
