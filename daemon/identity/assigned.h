// From a cgroup's path to what root put the process into: a container, a Kubernetes pod, a label. Pure.
#pragma once

#include <string>
#include <string_view>

namespace holdfast::identity {

struct Assigned {
  std::string label;      // of `holdfast run --label`
  std::string container;  // its id: 64 hex digits
  std::string pod;        // the pod's uid, as Kubernetes writes it
  // The cgroup in which the name stands that says so: true only if it and all above it are root's, because who
  // can write there chooses the names. Empty for the root, and where nothing is assigned.
  std::string folder;
};

// The outermost container counts: those inside it are its own affair. Forms: Docker, containerd (CRI, nerdctl),
// CRI-O and Podman, with systemd's cgroup driver and with cgroupfs.
Assigned assigned_in(std::string_view path);

}  // namespace holdfast::identity
