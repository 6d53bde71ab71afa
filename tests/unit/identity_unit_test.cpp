// Threat row 5: unit names that users choose.
#include <gtest/gtest.h>

#include <random>

#include "daemon/identity/groups.h"
#include "daemon/identity/unit.h"

namespace holdfast::identity {
namespace {

struct Case {
  const char* path;
  const char* unit;
  const char* user_unit;
};

// 0:: text of a unified system.
std::string unified(std::string_view path) {
  return "0::" + std::string(path) + "\n";
}

TEST(Unit, IsTheFirstBelowTheSlices) {
  const std::vector<Case> cases = {
      {"/system.slice/orders.service", "orders.service", ""},
      {"/orders.service", "orders.service", ""},
      {"/init.scope", "init.scope", ""},
      {"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", ""},
      {"/a.slice/a-b.slice/a-b-c.slice/x.service", "x.service", ""},
      {"/-.slice/x.service", "x.service", ""},
      {"/system.slice/dbus.socket", "dbus.socket", ""},
      {"/system.slice/var-lib.mount", "var-lib.mount", ""},
      {"/system.slice/dev-disk-by\\x2duuid.swap", "dev-disk-by\\x2duuid.swap", ""},
      {"/machine.slice/machine-web.scope", "machine-web.scope", ""},
      {"/user.slice/user-1000.slice/session-3.scope", "session-3.scope", ""},
      {"/user.slice/user-1000.slice/user@1000.service", "user@1000.service", ""},
      {"/user.slice/user-1000.slice/user@1000.service/init.scope", "user@1000.service",
       "init.scope"},
      {"/user.slice/user-1000.slice/user@1000.service/app.slice/mail.service", "user@1000.service",
       "mail.service"},
      {"/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.slice/app-x@1.service",
       "user@1000.service", "app-x@1.service"},
  };
  for (const Case& c : cases) {
    const Units units = units_of(unified(c.path));
    EXPECT_EQ(units.unit, c.unit) << c.path;
    EXPECT_EQ(units.user_unit, c.user_unit) << c.path;
  }
}

TEST(Unit, IsNotWhatAUserNamedItsCgroups) {
  const std::vector<Case> cases = {
      // Below the user's own manager everything is the user's to name.
      {"/user.slice/user-1000.slice/user@1000.service/orders.service", "user@1000.service",
       "orders.service"},
      {"/user.slice/user-1000.slice/user@1000.service/system.slice/orders.service",
       "user@1000.service", "orders.service"},
      {"/user.slice/user-1000.slice/user@1000.service/app.slice/mail.service/orders.service",
       "user@1000.service", "mail.service"},
      {"/user.slice/user-1000.slice/user@1000.service/user@0.service/orders.service",
       "user@1000.service", "user@0.service"},
      {"/user.slice/user-1000.slice/user@1000.service/anything/orders.service", "user@1000.service",
       ""},
      // Below a delegated system unit, or a session.
      {"/system.slice/foo.service/orders.service", "foo.service", ""},
      {"/system.slice/foo.service/system.slice/orders.service", "foo.service", ""},
      {"/system.slice/foo.service/user@1000.service/orders.service", "foo.service", ""},
      {"/system.slice/foo.service/payload/orders.service", "foo.service", ""},
      {"/user.slice/user-1000.slice/session-3.scope/orders.service", "session-3.scope", ""},
      {"/machine.slice/machine-web.scope/system.slice/orders.service", "machine-web.scope", ""},
      // Something that is no unit stands where the unit should be.
      {"/docker/0123456789abcdef/system.slice/orders.service", "", ""},
      {"/system.slice/payload/orders.service", "", ""},
      {"/kubepods/pod1/orders.service", "", ""},
      {"/lxc.payload.web/system.slice/orders.service", "", ""},
  };
  for (const Case& c : cases) {
    const Units units = units_of(unified(c.path));
    EXPECT_EQ(units.unit, c.unit) << c.path;
    EXPECT_EQ(units.user_unit, c.user_unit) << c.path;
  }
}

TEST(Unit, IsUnescapedOnce) {
  EXPECT_EQ(units_of(unified("/system.slice/_cpu.service")).unit, "cpu.service");
  EXPECT_EQ(units_of(unified("/system.slice/__odd.service")).unit, "_odd.service");
  EXPECT_EQ(units_of(unified("/_tasks.slice/_orders.service")).unit, "orders.service");
  EXPECT_EQ(units_of(unified("/system.slice/_")).unit, "");
  EXPECT_EQ(units_of(unified("/system.slice/_.service")).unit, "");
  // systemd never escapes a user manager's name: this is a service with that name, and no manager.
  const Units units = units_of(unified("/user.slice/user@1000.service/_tasks.service"));
  EXPECT_EQ(units.user_unit, "tasks.service");
}

TEST(Unit, IsEmptyWhereThePathIsNotPlain) {
  for (const char* path :
       {"/", "", "system.slice/orders.service", "/system.slice/orders.service (deleted)",
        "/../orders.service", "/../system.slice/orders.service", "/..",
        "/system.slice/orders.service/..", "/system.slice/../orders.service",
        "/system.slice/orders.service/../../x", "/./system.slice/orders.service",
        "/system.slice//orders.service", "//orders.service", "/system.slice/orders.service/",
        "/system.slice/orders.service/x (deleted)", "/system.slice/", "/system.slice"})
    EXPECT_EQ(units_of(unified(path)).unit, "") << path;
}

// Whoever may make cgroups may call one so.
TEST(Group, HasOneNumberAboveAllUids) {
  Groups groups;
  const std::uint64_t one = groups.number_of("user-1000.slice");
  EXPECT_GT(one, UINT32_MAX);
  EXPECT_NE(groups.number_of("orders.service"), one);
  EXPECT_EQ(groups.number_of("user-1000.slice"), one);
  for (int i = 0; i < 70'000; ++i) groups.number_of("container-" + std::to_string(i));
  EXPECT_GT(groups.number_of("user-1000.slice"), one) << "forgotten, and not another's";
}

TEST(Group, IsKnownOfACgroupThatIsGone) {
  const auto group = [](const char* path) { return units_of(unified(path)).group; };
  EXPECT_EQ(group("/user.slice/user-1000.slice/user@1000.service/app.slice/x (deleted)"),
            "user-1000.slice");
  EXPECT_EQ(group("/system.slice/orders.service/x (deleted)"), "orders.service");
  EXPECT_EQ(group("/../user.slice/user-1000.slice/x"), "");
}

TEST(Unit, IsEmptyWhereTheNameIsNone) {
  const std::string long_name = "/system.slice/" + std::string(248, 'a') + ".service";
  for (const std::string path :
       {"/system.slice/orders", "/system.slice/.service", "/system.slice/orders.",
        "/system.slice/orders.SERVICE", "/system.slice/orders.service2",
        "/system.slice/orders.servic", "/system.slice/or ders.service",
        "/system.slice/\xC3\xB6rders.service", "/system.slice/orders\x01.service",
        "/system.slice/orders*.service", "/system.slice/@x.service",
        "/system.slice/orders@.service", "/system.slice/orders/x.service",
        "/system.slice/foo@bar.slice/orders.service", "/.slice/orders.service",
        "/system.slice/\xFF.service", "/system.slice/a;b.service", long_name.c_str()})
    EXPECT_EQ(units_of(unified(path)).unit, "") << path;
  EXPECT_EQ(units_of(unified("/system.slice/" + std::string(247, 'a') + ".service")).unit.size(),
            255u);
}

TEST(Unit, TakesTheNamedHierarchyBeforeTheUnifiedOne) {
  EXPECT_EQ(
      units_of("9:name=systemd:/system.slice/a.service\n1:cpu:/x\n0::/system.slice/b.service\n")
          .unit,
      "a.service");
  EXPECT_EQ(units_of("0::/system.slice/b.service\n9:name=systemd:/system.slice/a.service\n").unit,
            "a.service");
  EXPECT_EQ(units_of("4:cpu,cpuacct:/system.slice/c.service\n0::/system.slice/b.service\n").unit,
            "b.service");
  EXPECT_EQ(units_of("4:cpu,name=systemd:/system.slice/c.service\n0::/b.service\n").unit,
            "c.service");
  // The manager's hierarchy decides even where it says less.
  EXPECT_EQ(units_of("9:name=systemd:/\n0::/system.slice/b.service\n").unit, "");
  EXPECT_EQ(units_of("9:name=systemd:/../x.service\n0::/system.slice/b.service\n").unit, "");
  EXPECT_EQ(units_of("9:name=systemd:/x.service (deleted)\n0::/system.slice/b.service\n").unit, "");
  EXPECT_EQ(units_of("9:name=systemdx:/a.service\n0::/system.slice/b.service\n").unit, "b.service");
  EXPECT_EQ(units_of("9:name=elogind:/a.service\n4:memory:/system.slice/b.service\n").unit, "");
  // A colon in a cgroup's name does not end the path.
  EXPECT_EQ(units_of("0::/system.slice/dev:1.service\n").unit, "dev:1.service");
}

TEST(Unit, IsEmptyWhereTheTextIsOdd) {
  for (const char* text :
       {"", "\n", "0::", "0::/system.slice/a.service", "0:/system.slice/a.service\n",
        "::/system.slice/a.service\n", "x::/system.slice/a.service\n",
        "0::system.slice/a.service\n", "0::/a.service\n0::/b.service\n",
        "1:name=systemd:/a.service\n2:name=systemd:/b.service\n", "0::/a.service\ngarbage\n",
        "0::/a.service\n\n", "5::/system.slice/a.service\n", "-1::/a.service\n",
        "0::/a.service\n0::"})
    EXPECT_EQ(units_of(text).unit, "") << text;
  EXPECT_EQ(units_of(std::string_view("0::/a.\0service\n", 15)).unit, "");
}

// Threat row 19: whoever makes uids or cgroups of its own stays one caller.
TEST(Group, IsAUsersSliceAUnitOrAContainer) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"/", ""},
      {"/user.slice/user-1000.slice/session-3.scope", "user-1000.slice"},
      {"/user.slice/user-1000.slice/user@1000.service/app.slice/a.service", "user-1000.slice"},
      {"/user.slice/user-1000.slice/user@1000.service/user.slice/podman-1.scope/container",
       "user-1000.slice"},
      {"/user.slice/x.service", "x.service"},
      {"/system.slice/orders.service", "orders.service"},
      {"/system.slice/orders.service/worker/1", "orders.service"},
      {"/system.slice/docker-0abc.scope/inner", "docker-0abc.scope"},
      {"/kubepods.slice/kubepods-podx.slice/cri-containerd-0abc.scope",
       "cri-containerd-0abc.scope"},
      {"/docker/0abc", "docker/0abc"},
      {"/../other", ""},
  };
  for (const auto& [path, group] : cases) EXPECT_EQ(units_of(unified(path)).group, group) << path;
}

TEST(UserManager, IsKnownByAPlainUid) {
  EXPECT_EQ(units_of(unified("/user.slice/user@1000.service/a.service")).user_manager, 1000u);
  EXPECT_EQ(units_of(unified("/user.slice/user@0.service/a.service")).user_manager, 0u);
  for (const char* name : {"user@alice.service", "user@01000.service", "user@-1.service",
                           "user@+1.service", "user@65535.service", "user@4294967295.service",
                           "user@4294967296.service", "user@10x.service", "user@1000.scope",
                           "xuser@1000.service", "user1000.service", "user@1000@1.service"}) {
    const Units units = units_of(unified(std::string("/user.slice/") + name + "/a.service"));
    EXPECT_FALSE(units.user_manager) << name;
    EXPECT_EQ(units.user_unit, "") << name;
  }
}

TEST(Unit, NamesNothingForRandomText) {
  // Whatever comes, the unit is empty or a component of the text that ends as a unit's name does.
  std::mt19937 random(20);
  const std::string alphabet = "/._-@:\\\n0as \x01";
  const std::vector<std::string> words = {"system.slice",
                                          "orders.service",
                                          "user@1000.service",
                                          "0::/",
                                          "name=systemd:",
                                          "..",
                                          " (deleted)",
                                          "_",
                                          ".slice",
                                          ".service"};
  for (int run = 0; run < 50'000; ++run) {
    std::string text;
    for (unsigned i = random() % 12; i > 0; --i) {
      if (random() % 2 == 0)
        text += words[random() % words.size()];
      else
        text += alphabet[random() % alphabet.size()];
    }
    text += '\n';
    const Units units = units_of(text);
    if (units.unit.empty()) continue;
    ASSERT_NE(text.find(units.unit), std::string::npos);
    ASSERT_EQ(units.unit.find_first_of("/\n \x01"), std::string::npos);
    ASSERT_FALSE(units.unit.ends_with(".slice"));
    ASSERT_EQ(text.find(" (deleted)\n"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace holdfast::identity
