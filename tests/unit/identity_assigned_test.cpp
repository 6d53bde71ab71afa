// Containers, pods and labels from recorded cgroup paths, and whose folders count.
#include <gtest/gtest.h>

#include "daemon/identity/assigned.h"
#include "daemon/identity/label.h"
#include "daemon/identity/trees.h"
#include "tests/unit/identity_support.h"

namespace holdfast::identity {
namespace {

const std::string kId = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const std::string kInner = std::string(64, 'f');
constexpr const char* kPod = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
constexpr const char* kSlicedPod = "f81d4fae_7dec_11d0_a765_00a0c91e6bf6";

struct Case {
  std::string path;
  std::string pod;
  std::string folder;
};

// Threat row 5.
TEST(Container, IsTheOutermostInEachRuntimesForm) {
  const std::string slice = std::string("kubepods-burstable-pod") + kSlicedPod + ".slice";
  const std::vector<Case> cases = {
      {"system.slice/docker-" + kId + ".scope", "", "system.slice"},
      {"system.slice/nerdctl-" + kId + ".scope", "", "system.slice"},
      {"machine.slice/libpod-" + kId + ".scope/container", "", "machine.slice"},
      {"machine.slice/libpod-" + kId + ".scope/docker/" + kInner, "", "machine.slice"},
      {"system.slice/web.service/libpod-payload-" + kId, "", "system.slice/web.service"},
      {"docker/" + kId, "", "docker"},
      {"docker/" + kId + "/system.slice/docker-" + kInner + ".scope", "", "docker"},
      {"libpod_parent/libpod-" + kId, "", "libpod_parent"},
      {"docker-" + kId + ".scope", "", ""},
      {"kubepods.slice/kubepods-burstable.slice/" + slice + "/cri-containerd-" + kId + ".scope",
       kPod, "kubepods.slice/kubepods-burstable.slice/" + slice},
      {std::string("kubepods.slice/kubepods-pod") + kSlicedPod + ".slice/crio-" + kId + ".scope",
       kPod, std::string("kubepods.slice/kubepods-pod") + kSlicedPod + ".slice"},
      {std::string("kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort-pod") +
           kSlicedPod + ".slice/docker-" + kId + ".scope",
       kPod,
       std::string("kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort-pod") +
           kSlicedPod + ".slice"},
      {std::string("kubepods/pod") + kPod + "/" + kId, kPod, std::string("kubepods/pod") + kPod},
      {std::string("kubepods/burstable/pod") + kPod + "/crio-" + kId, kPod,
       std::string("kubepods/burstable/pod") + kPod},
      {"kubepods/pod0123456789abcdef0123456789abcdef/" + kId, "0123456789abcdef0123456789abcdef",
       "kubepods/pod0123456789abcdef0123456789abcdef"},
  };
  for (const Case& c : cases) {
    const Assigned assigned = assigned_in(c.path);
    EXPECT_EQ(assigned.container, kId) << c.path;
    EXPECT_EQ(assigned.pod, c.pod) << c.path;
    EXPECT_EQ(assigned.folder, c.folder) << c.path;
    EXPECT_EQ(assigned.label, "") << c.path;
  }
}

// Where a user chose the name the folder says so; it is what holdfast-caller looks at.
TEST(Container, OfAUsersTreeIsWhereTheUserNamesIt) {
  const std::string manager = "user.slice/user-1000.slice/user@1000.service";
  EXPECT_EQ(assigned_in(manager + "/user.slice/libpod-" + kId + ".scope/container").folder,
            manager + "/user.slice");
  EXPECT_EQ(assigned_in(manager + "/docker/" + kId).folder, manager + "/docker");
  EXPECT_EQ(assigned_in("system.slice/ci.service/docker-" + kId + ".scope").folder,
            "system.slice/ci.service");
}

TEST(Container, IsNoneWhereTheFormIsNot) {
  for (const std::string& path :
       std::vector<std::string>{std::string(),
                                std::string("system.slice"),
                                "docker-" + kId,
                                kId,
                                "x/" + kId,
                                "system.slice/docker-" + kId.substr(1) + ".scope",
                                "system.slice/docker-" + kId + "0.scope",
                                "system.slice/docker-" + kId + ".service",
                                "system.slice/docker-.scope",
                                "system.slice/Docker-" + kId + ".scope",
                                "docker/" + kId.substr(1),
                                "docker/x/" + kId,
                                "docker/" + std::string(64, 'G'),
                                "system.slice/libpod-conmon-" + kId + ".scope",
                                "libpod-payload-" + kId,
                                "x/libpod-payload-" + kId,
                                "libpod_parent/x-" + kId,
                                std::string("pod") + kPod + "/" + kId,
                                std::string("kubepods/pod") + kSlicedPod + "/" + kId,
                                "kubepods/podx/" + kId,
                                std::string("kubepods/pod") + kPod + "/x/" + kId,
                                std::string("kubepods/pod") + kPod,
                                "crio-" + kId})
    EXPECT_EQ(assigned_in(path).container, "") << path;
  const std::string odd = std::string("kubepods.slice/pod") + kSlicedPod + ".slice/docker-" + kId;
  EXPECT_EQ(assigned_in(odd + ".scope").container, kId);
  EXPECT_EQ(assigned_in(odd + ".scope").pod, "") << "a slice that Kubernetes does not make";
}

TEST(Label, IsReadAsItIsWritten) {
  for (const std::string& label : {std::string("a"), std::string("nightly"),
                                   std::string("a-b_c.d-0123456789abcdef"), std::string(63, 'z')}) {
    EXPECT_TRUE(is_label(label));
    const std::string scope = label_scope(label, 0x1234);
    EXPECT_EQ(label_of(scope), label) << scope;
    EXPECT_LE(scope.size(), 255u);
    const Assigned assigned = assigned_in("system.slice/" + scope);
    EXPECT_EQ(assigned.label, label);
    EXPECT_EQ(assigned.folder, "system.slice");
    EXPECT_EQ(assigned_in("system.slice/" + scope + "/below").label, label);
    for (const char* above : {"", "x.slice/", "system.slice/x.service/", "user.slice/",
                              "user.slice/user-1000.slice/user@1000.service/",
                              "user.slice/user-1000.slice/user@1000.service/system.slice/"})
      EXPECT_EQ(assigned_in(std::string(above) + scope).label, "") << above;
  }
}

TEST(Label, IsNoneWhereTheNameIsNot) {
  for (const char* name :
       {"", "holdfast-label-", "holdfast-label-.scope", "holdfast-label-a.scope",
        "holdfast-label--0123456789abcdef.scope", "holdfast-label-a-0123456789abcde.scope",
        "holdfast-label-a-0123456789ABCDEF.scope", "holdfast-label-a_0123456789abcdef.scope",
        "holdfast-label-A-0123456789abcdef.scope", "holdfast-label--a-0123456789abcdef.scope",
        "holdfast-label-a-0123456789abcdef.service", "xholdfast-label-a-0123456789abcdef.scope",
        "holdfast-label-a*-0123456789abcdef.scope",
        "holdfast-label-a-0123456789abcdef.scope.scope"})
    EXPECT_EQ(label_of(name), std::nullopt) << name;
  EXPECT_EQ(label_of("holdfast-label-" + std::string(64, 'a') + "-0123456789abcdef.scope"),
            std::nullopt);
  for (const char* label : {"", "-a", ".a", "A", "a/b", "a b", "a\n", "\xC3\xB6"})
    EXPECT_FALSE(is_label(label)) << label;
}

TEST(Trees, AreWholeOnesOfThisCgroupNamespace) {
  const std::string v1 =
      "30 24 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n"
      "31 30 0:27 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate\n"
      "32 30 0:28 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd\n"
      "33 30 0:29 / /sys/fs/cgroup/memory rw shared:12 - cgroup cgroup rw,memory\n";
  EXPECT_EQ(trees_in(v1).named, "/sys/fs/cgroup/systemd");
  EXPECT_EQ(trees_in(v1).unified, "/sys/fs/cgroup/unified");
  const std::string v2 =
      "35 24 0:30 /../.. /mnt rw - cgroup2 cgroup rw\n"
      "36 24 0:30 /docker /srv rw - cgroup2 cgroup rw\n"
      "37 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
      "38 24 0:30 / /elsewhere rw - cgroup2 cgroup2 rw\n";
  EXPECT_EQ(trees_in(v2).named, "");
  EXPECT_EQ(trees_in(v2).unified, "/sys/fs/cgroup");
  for (const char* none :
       {"", "\n", "36 24 0:30 / /x rw - cgroup2\n", "36 24 0:30 / /x rw cgroup2 cgroup2 rw\n",
        "36 24 0:30 / /x rw - cgroup cgroup rw,name=systemdx\n",
        "36 24 0:30 / /x - tmpfs x rw\n"}) {
    EXPECT_EQ(trees_in(none).named, "") << none;
    EXPECT_EQ(trees_in(none).unified, "") << none;
  }
  const std::string both = "0::/b\n9:name=systemd:/a\n";
  EXPECT_EQ(trees_in(v1).of(*manager_cgroup(both)), "/sys/fs/cgroup/systemd");
  EXPECT_EQ(trees_in(v1).of(*manager_cgroup("0::/b\n")), "/sys/fs/cgroup/unified");
}

TEST(Trees, AreRootsFolderByFolder) {
  NEEDS_ROOT();
  EXPECT_TRUE(is_roots("/usr", "bin"));
  EXPECT_TRUE(is_roots("/usr", ""));
  EXPECT_FALSE(is_roots("", "usr"));
  EXPECT_FALSE(is_roots("/usr", "no-such-folder"));
  EXPECT_FALSE(is_roots("/usr", "bin/env")) << "no folder";
  EXPECT_FALSE(is_roots("/tmp", "")) << "others write it";
  const Listener listener;  // for its folder, below /tmp
  EXPECT_FALSE(is_roots("/tmp", listener.folder().substr(5)));
}

}  // namespace
}  // namespace holdfast::identity
