#include "daemon/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "daemon/base/error.h"

namespace holdfast::config {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Config parse_text(const std::string& text) {
  return parse({{"/etc/h.toml", text}});
}

// What parse() says of a text, or "" where it takes it.
std::string complaint(const std::vector<File>& files) {
  try {
    parse(files);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
    return error.detail();
  }
}
std::string complaint(const std::string& text) {
  return complaint(std::vector<File>{{"/etc/h.toml", text}});
}

TEST(Config, HasDefaultsForAllButDevices) {
  const Config config = parse_text("");
  EXPECT_EQ(config.path, "/etc/h.toml");
  EXPECT_EQ(config.state_dir, "/var/lib/holdfast");
  EXPECT_EQ(config.runtime_dir, "/run/holdfast");
  EXPECT_FALSE(config.allow_software_devices);
  EXPECT_EQ(config.log_level, "info");
  EXPECT_EQ(config.audit.durability, Durability::written);
  EXPECT_TRUE(config.user.empty() && config.device_user.empty() && config.admin_group.empty());
  EXPECT_TRUE(config.devices.empty());
}

TEST(Config, ReadsEveryKey) {
  const Config config = parse_text(R"(
[daemon]
state_dir = "/srv/state/"
runtime_dir = "/srv/run"
allow_software_devices = true
user = "holdfast"
device_user = "holdfast-tpm"
admin_group = "holdfast-admin"
log_level = "debug"
[audit]
durability = "fsync"
[[device]]
name = "tpm"
backend = "tpm"
tcti = "device:/dev/tpmrm0"
[[device]]
name = "second.tpm_2-b"
backend = "tpm"
tcti = "swtpm:path=/run/x.sock"
sessions = "encrypted"
anchor_index = 0x01A00001
[[grant]]
name = "read by policy, not here"
)");
  EXPECT_EQ(config.state_dir, "/srv/state");
  EXPECT_EQ(config.runtime_dir, "/srv/run");
  EXPECT_TRUE(config.allow_software_devices);
  EXPECT_EQ(config.user, "holdfast");
  EXPECT_EQ(config.device_user, "holdfast-tpm");
  EXPECT_EQ(config.admin_group, "holdfast-admin");
  EXPECT_EQ(config.log_level, "debug");
  EXPECT_EQ(config.audit.durability, Durability::fsync);
  ASSERT_EQ(config.devices.size(), 2u);
  EXPECT_EQ(config.devices[0].name, "tpm");
  EXPECT_EQ(config.devices[1].tcti, "swtpm:path=/run/x.sock");
  EXPECT_EQ(config.devices[0].sessions, "auto");
  EXPECT_EQ(config.devices[1].sessions, "encrypted");
  EXPECT_EQ(config.devices[0].anchor_index, std::nullopt);
  EXPECT_EQ(config.devices[1].anchor_index, 0x01A00001U);
}

TEST(Config, ReadsWhatTheLogHas) {
  const Audit usual = parse_text("").audit;
  EXPECT_EQ(usual, Audit());
  const Audit audit = parse_text(R"([audit]
signing_key = "audit-log"
origin = "machine.example/holdfast"
checkpoint_seconds = 5
keep_details_days = 90
sinks = ["syslog", "journald"]
)")
                          .audit;
  EXPECT_EQ(audit.signing_key, "audit-log");
  EXPECT_EQ(audit.origin, "machine.example/holdfast");
  EXPECT_EQ(audit.checkpoint_every, std::chrono::seconds(5));
  EXPECT_EQ(audit.keep_details_days, 90U);
  EXPECT_EQ(audit.sinks, (std::vector{AuditSink::syslog, AuditSink::journald}));
  for (const char* bad : {"signing_key = \"No Name\"", "origin = \"with space\"",
                          "origin = \"a+b\"", "checkpoint_seconds = 301", "keep_details_days = 0",
                          "sinks = [\"kafka\"]", "sinks = [\"syslog\", \"syslog\"]"})
    EXPECT_THROW(parse_text(std::string("[audit]\n") + bad + "\n"), Error) << bad;
}

TEST(Config, NamesFileLineAndRemedyOfEachFault) {
  const struct {
    const char* text;
    const char* where;
    const char* remedy;
  } faults[] = {
      {"[demon]\n", "/etc/h.toml:1: ",
       "demon is not known here; known: grant, include, daemon, audit, limits, device"},
      {"\nlog_level = \"info\"\n", "/etc/h.toml:2: ", "is not known here"},
      {"[daemon]\nstate_dri = \"/x\"\n", "/etc/h.toml:2: ", "daemon: state_dri is not known here"},
      {"[daemon]\nstate_dir = 1\n", "/etc/h.toml:2: ", "has to be a string"},
      {"[daemon]\nstate_dir = \"x\"\n", "/etc/h.toml:2: ", "absolute path"},
      {"[daemon]\nruntime_dir = \"/a\\nb\"\n", "/etc/h.toml:2: ", "absolute path"},
      {"[daemon]\nallow_software_devices = \"yes\"\n", "/etc/h.toml:2: ", "true or false"},
      {"[daemon]\nlog_level = \"loud\"\n", "/etc/h.toml:2: ", "\"debug\", \"info\""},
      {"[daemon]\nuser = \"\"\n", "/etc/h.toml:2: ", "name of a user"},
      {"[audit]\ndurability = \"none\"\n", "/etc/h.toml:2: ", "\"written\", \"fsync\""},
      {"[audit]\n\nsync = true\n", "/etc/h.toml:3: ", "known: durability"},
      {"[device]\nname = \"tpm\"\n", "/etc/h.toml:1: ", "[[device]]"},
      {"device = [1]\n", "/etc/h.toml:1: ", "[[device]]"},
      {"daemon = 1\n", "/etc/h.toml:1: ", "has to be a table"},
      {"[[device]]\nbackend = \"tpm\"\n", "/etc/h.toml:1: ", "name is missing"},
      {"[[device]]\nname = \"T P M\"\n", "/etc/h.toml:2: ", "[a-z0-9]"},
      {"[[device]]\nname = \"t\"\nbackend = \"hsm\"\n",
       "/etc/h.toml:3: ", "there are \"tpm\" and \"pkcs11\""},
      {"[[device]]\nname = \"t\"\nbackend = \"tpm\"\n", "/etc/h.toml:1: ", "tcti is missing"},
      {"[[device]]\nname = \"t\"\nbackend = \"tpm\"\ntcti = \"\"\n",
       "/etc/h.toml:4: ", "/dev/tpmrm0"},
      {"[[device]]\nname = \"t\"\nbackend = \"tpm\"\ntcti = \"device:\"\n",
       "/etc/h.toml:4: ", "has to name the TPM's node: \"device:/dev/tpmrm0\""},
      {"[[device]]\nname = \"t\"\nbackend = \"tpm\"\ntcti = \"x\"\npin = 1\n",
       "/etc/h.toml:5: ", "known: name, backend, tcti, sessions, anchor_index, verify"},
      {"[[device]]\nname = \"t\"\nbackend = \"tpm\"\ntcti = \"x\"\nsessions = \"auto\"\n",
       "/etc/h.toml:5: ", "\"encrypted\", \"plain\""},
      {"[[device]]\nname = \"t\"\nbackend = \"tpm\"\ntcti = \"x\"\nanchor_index = 0x01C00002\n",
       "/etc/h.toml:5: ", "has to be an integer from 0 to"},
      {"[[device]]\nname = \"t\"\nbackend = \"tpm\"\ntcti = \"x\"\nanchor_index = 0x017FFFFF\n",
       "/etc/h.toml:5: ", "0x01800000 to 0x01BFFFFF, or 0"},
      {"[[device]]\nname = \"t\"\nbackend = \"tpm\"\ntcti = \"x\"\n[[device]]\nname = \"t\"\n",
       "/etc/h.toml:6: ", "two devices"},
      {"[daemon]\n[daemon]\n", "/etc/h.toml:2: ", "not valid TOML"},
      {"[daemon]\nuser = \"a\"\nuser = \"b\"\n", "/etc/h.toml:3: ", "not valid TOML"},
      {"x = \"\xFF\"\n", "/etc/h.toml:1: ", "not valid TOML"},
  };
  for (const auto& fault : faults) {
    EXPECT_THAT(complaint(fault.text), StartsWith(fault.where)) << fault.text;
    EXPECT_THAT(complaint(fault.text), HasSubstr(fault.remedy)) << fault.text;
  }
}

TEST(Config, ReadsADeviceOfPkcs11) {
  const Config config = parse_text(R"(
[[device]]
name = "hsm"
backend = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
uri = "pkcs11:token=holdfast%20one;serial=1234"
pin_credential = "hsm.pin"
parallel = 8
writable = ["/var/lib/softhsm/tokens/", "/run/hsm"]
environment = { SOFTHSM2_CONF = "/etc/softhsm2.conf", A_1 = "" }
network = true
verify = "sampled"
[[device]]
name = "least"
backend = "pkcs11"
module = "/opt/vendor/lib.so"
uri = "pkcs11:serial=1"
pin_file = "/etc/holdfast/pin"
[[device]]
name = "tpm"
backend = "tpm"
tcti = "device:/dev/tpmrm0"
verify = "always"
)");
  ASSERT_EQ(config.devices.size(), 3u);
  const Hsm& hsm = config.devices[0].hsm;
  EXPECT_EQ(config.devices[0].backend, "pkcs11");
  EXPECT_EQ(hsm.module, "/usr/lib/softhsm/libsofthsm2.so");
  EXPECT_EQ(hsm.uri, "pkcs11:token=holdfast%20one;serial=1234");
  EXPECT_EQ(hsm.pin_credential, "hsm.pin");
  EXPECT_EQ(hsm.pin_file, "");
  EXPECT_EQ(hsm.parallel, 8u);
  EXPECT_EQ(hsm.writable, (std::vector<std::string>{"/var/lib/softhsm/tokens", "/run/hsm"}));
  EXPECT_EQ(hsm.environment,
            (std::vector<std::string>{"A_1=", "SOFTHSM2_CONF=/etc/softhsm2.conf"}));
  EXPECT_TRUE(hsm.network);
  EXPECT_EQ(config.devices[0].verify, Verify::sampled);
  EXPECT_EQ(config.devices[1].hsm.pin_file, "/etc/holdfast/pin");
  EXPECT_EQ(config.devices[1].hsm.parallel, 0u);
  EXPECT_FALSE(config.devices[1].hsm.network);
  EXPECT_EQ(config.devices[1].verify, Verify::always);
  EXPECT_EQ(config.devices[2].verify, Verify::always);
}

TEST(Config, SaysWhatADeviceOfPkcs11MayNotHave) {
  const std::string module = "module = \"/lib/m.so\"\n", uri = "uri = \"pkcs11:token=t\"\n";
  const auto with_uri = [&](const std::string& text) {
    return module + "uri = \"" + text + "\"\n";
  };
  const auto with_variable = [&](const std::string& text) {
    return module + uri + "environment = { " + text + " }\n";
  };
  const struct {
    std::string text;
    const char* line;
    const char* remedy;
  } faults[] = {
      {uri, ":1: ", "module is missing"},
      {"module = \"m.so\"\n" + uri, ":4: ", "absolute path"},
      {module, ":1: ", "uri is missing"},
      {with_uri("token=t"), ":5: ", "such as \"pkcs11:token=holdfast\""},
      {with_uri("pkcs11:"), ":5: ", "fits any token"},
      {with_uri("pkcs11:model=SoftHSM"), ":5: ", "token= or serial="},
      {with_uri("pkcs11:token=t;object=k"), ":5: ", "does not name a token"},
      {with_uri("pkcs11:token=t;slot-id=1"), ":5: ", "does not name a token"},
      {with_uri("pkcs11:token=t?module-name=x"), ":5: ", "leave it out"},
      {with_uri("pkcs11:token=t?pin-value=1234"), ":5: ", "pin_credential or pin_file"},
      {with_uri("pkcs11:token=t;pin-source=/x"), ":5: ", "pin_credential or pin_file"},
      {module + uri + "pin_file = \"pin\"\n", ":6: ", "absolute path"},
      {module + uri + "pin_file = \"/a\"\npin_credential = \"a\"\n",
       ":6: ", "the one or the other"},
      {module + uri + "pin_credential = \"/run/pin\"\n", ":6: ", "not a path"},
      {module + uri + "pin_credential = \"..\"\n", ":6: ", "not a path"},
      {module + uri + "parallel = 0\n", ":6: ", "from 1 to 64"},
      {module + uri + "parallel = 65\n", ":6: ", "from 1 to 64"},
      {module + uri + "writable = [\"tokens\"]\n", ":6: ", "absolute path"},
      {module + uri + "writable = \"/\"\n", ":6: ", "is everything"},
      {module + uri + "network = 1\n", ":6: ", "true or false"},
      {with_variable("LD_PRELOAD = \"/x.so\""), ":6: ", "decides what runs"},
      {with_variable("GCONV_PATH = \"/x\""), ":6: ", "decides what runs"},
      {with_variable("PATH = \"/x\""), ":6: ", "decides what runs"},
      {with_variable("CREDENTIALS_DIRECTORY = \"/x\""), ":6: ", "decides what runs"},
      {with_variable("\"A B\" = \"x\""), ":6: ", "no variable"},
      {with_variable("A = \"x\\ny\""), ":6: ", "no variable"},
      {with_variable("A = 1"), ":6: ", "string"},
      {module + uri + "tcti = \"x\"\n", ":6: ", "not for a device of the backend \"pkcs11\""},
      {module + uri + "sessions = \"plain\"\n",
       ":6: ", "not for a device of the backend \"pkcs11\""},
      {module + uri + "verify = \"never\"\n", ":6: ", "\"always\", \"sampled\""},
      {module + uri + "pin = \"1234\"\n", ":6: ", "known: name, backend, module, uri, pin_file"},
  };
  for (const auto& fault : faults) {
    const std::string said =
        complaint("[[device]]\nname = \"h\"\nbackend = \"pkcs11\"\n" + fault.text);
    EXPECT_THAT(said, StartsWith(std::string("/etc/h.toml") + fault.line)) << fault.text;
    EXPECT_THAT(said, HasSubstr(fault.remedy)) << fault.text;
    EXPECT_THAT(said, testing::Not(HasSubstr("1234"))) << "a PIN is shown";
  }
  for (const char* key : {"module = \"/m.so\"", "uri = \"pkcs11:token=t\"", "pin_file = \"/p\"",
                          "pin_credential = \"p\"", "parallel = 1", "writable = \"/w\"",
                          "environment = {}", "network = true"})
    EXPECT_THAT(
        complaint(std::string("[[device]]\nname = \"t\"\nbackend = \"tpm\"\ntcti = \"x\"\n") + key +
                  "\n"),
        HasSubstr("not for a device of the backend \"tpm\""))
        << key;
}

TEST(Config, LimitsOfFewerConnectionsAreTheSamePartsOfThem) {
  const Limits usual = parse_text("").limits;
  EXPECT_EQ(usual.connections, 4096u);
  EXPECT_EQ(usual.connections_per_user, 1024u);
  EXPECT_EQ(usual.connections_without_grant, 64u);
  const Limits few = parse_text("[limits]\nconnections = 100\n").limits;
  EXPECT_EQ(few.connections_per_user, 25u);
  EXPECT_EQ(few.connections_without_grant, 1u);
  const Limits one =
      parse_text("[limits]\nconnections = 10000\nconnections_per_user = 10000\n").limits;
  EXPECT_EQ(one.connections_per_user, 10'000u);
  EXPECT_EQ(one.connections_without_grant, 64u);
  EXPECT_THAT(complaint("[limits]\nconnections = 100\nconnections_per_user = 101\n"),
              HasSubstr("from 1 to 100"));
  EXPECT_THAT(complaint("[limits]\nconnections = 0\n"), HasSubstr("from 1 to 65536"));
}

TEST(Config, RefusesARuntimeDirWhoseSocketsWouldNotFit) {
  const auto text = [](std::size_t size) {
    return "[daemon]\nruntime_dir = \"/" + std::string(size - 1, 'r') + "\"\n";
  };
  EXPECT_EQ(complaint(text(93)), "");  // 93 + "/holdfast.sock" = 107
  EXPECT_THAT(complaint(text(94)), HasSubstr("shorten it to 93"));
}

TEST(Config, LetsPolicyFilesHoldOnlyGrants) {
  const File main{"/etc/h.toml", ""};
  EXPECT_EQ(complaint({main, {"/etc/policy.d/a.toml", "[[grant]]\nname = \"x\"\n"}}), "");
  for (const char* text : {"\n[daemon]\n", "\n[audit]\n", "\n[[device]]\n"})
    EXPECT_THAT(complaint({main, {"/etc/policy.d/a.toml", text}}),
                StartsWith("/etc/policy.d/a.toml:2: "))
        << text;
  EXPECT_THAT(complaint({main, {"/etc/policy.d/a.toml", "[daemon]\n"}}),
              HasSubstr("belongs in /etc/h.toml"));
  EXPECT_THAT(complaint({main, {"/etc/policy.d/a.toml", "[[grants]]\n"}}),
              HasSubstr("grants is not known here"));
}

TEST(Config, RefusesNestingThatWouldExhaustTheStack) {
  std::string dotted = "a";
  for (int i = 0; i < 100'000; ++i) dotted += ".a";
  EXPECT_THAT(complaint(dotted + " = 1\n"), HasSubstr("/etc/h.toml:1: the line is longer"));
  EXPECT_THAT(complaint("x = " + std::string(2000, '[') + "\n"), HasSubstr("not valid TOML"));
  std::string deep;
  for (int i = 0; i < 1900; ++i) deep += "a.";
  EXPECT_THAT(complaint("[" + deep + "a]\n" + deep + "b = 1\n"), HasSubstr("not known here"));
}

class ConfigFiles : public ::testing::Test {
 protected:
  ConfigFiles() {
    std::string pattern = (std::filesystem::temp_directory_path() / "holdfast-config-XXXXXX");
    folder = mkdtemp(pattern.data());
    path = folder + "/holdfast.toml";
    write("holdfast.toml", "[daemon]\n");
  }
  ~ConfigFiles() override { std::filesystem::remove_all(folder); }
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(folder + "/" + name).parent_path());
    std::ofstream(folder + "/" + name) << text;
    ASSERT_EQ(chmod((folder + "/" + name).c_str(), 0644), 0);
  }
  std::string ownership_complaint() {
    try {
      check_ownership(path);
      return "";
    } catch (const Error& error) {
      return error.detail();
    }
  }
  std::string folder;
  std::string path;
};

TEST_F(ConfigFiles, AreReadMainFirstThenPolicySortedByName) {
  write("policy.d/20.toml", "b");
  write("policy.d/10.toml", "a");
  write("policy.d/.10.toml", "hidden");
  write("policy.d/README", "no");
  write("policy.d/10.toml.bak", "no");
  const auto files = read_files(path);
  ASSERT_EQ(files.size(), 3u);
  EXPECT_EQ(files[0].name, path);
  EXPECT_EQ(files[1].text, "a");
  EXPECT_EQ(files[2].text, "b");
}

TEST_F(ConfigFiles, NeedNoPolicyFolder) {
  EXPECT_EQ(read_files(path).size(), 1u);
}

TEST_F(ConfigFiles, AreBoundedAndMustExist) {
  EXPECT_THROW(read_files(folder + "/absent.toml"), Error);
  write("policy.d/big.toml", std::string((1 << 20) + 1, '#'));
  try {
    read_files(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::too_large);
  }
}

TEST_F(ConfigFiles, AreRefusedWhereOthersCanWrite) {
  write("policy.d/10.toml", "");
  EXPECT_EQ(ownership_complaint(), "");
  for (const std::string& name :
       {path, folder, folder + "/policy.d", folder + "/policy.d/10.toml"}) {
    struct stat before {};
    ASSERT_EQ(stat(name.c_str(), &before), 0);
    for (const mode_t bit : {S_IWGRP, S_IWOTH}) {
      ASSERT_EQ(chmod(name.c_str(), (before.st_mode & 07777) | bit), 0);
      EXPECT_THAT(ownership_complaint(), HasSubstr("chmod go-w " + name));
    }
    ASSERT_EQ(chmod(name.c_str(), before.st_mode & 07777), 0);
  }
}

TEST_F(ConfigFiles, AreRefusedWhereTheyBelongToAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(chown(path.c_str(), 12345, 12345), 0);
  EXPECT_THAT(ownership_complaint(), HasSubstr("chown root " + path));
}

std::string read_complaint(const std::string& path) {
  try {
    read_files(path);
    return "";
  } catch (const Error& error) {
    return error.detail();
  }
}

TEST_F(ConfigFiles, IncludedOnesAreReadBehindTheOneThatNamesThem) {
  write("holdfast.toml", "include = [\"a.toml\", \"teams/b.toml\"]\n");
  write("a.toml", "# a: include\n");
  write("teams/b.toml", "include = \"c.toml\"\n");
  write("teams/c.toml", "# c\n");
  write("policy.d/10.toml", "include = \"" + folder + "/d.toml\"\n");
  write("d.toml", "# d\n");
  std::vector<std::string> names;
  for (const File& file : read_files(path)) names.push_back(file.name.substr(folder.size()));
  EXPECT_EQ(names, (std::vector<std::string>{"/holdfast.toml", "/a.toml", "/teams/b.toml",
                                             "/teams/c.toml", "/policy.d/10.toml", "/d.toml"}));
  EXPECT_EQ(parse(read_files(path)).path, path);
  EXPECT_EQ(ownership_complaint(), "");
}

TEST_F(ConfigFiles, AreIncludedHoweverTheKeyIsSpelt) {
  write("holdfast.toml", "\"\\u0069nclude\" = \"a.toml\"\n");
  write("a.toml", "# a\n");
  EXPECT_EQ(read_files(path).size(), 2u);
}

TEST_F(ConfigFiles, IncludedOnesCountOnceAndAreBounded) {
  const auto with = [&](const std::string& include) {
    write("holdfast.toml", "include = " + include + "\n");
    return read_complaint(path);
  };
  write("a.toml", "include = \"b.toml\"\n");
  write("b.toml", "include = \"a.toml\"\n");
  EXPECT_THAT(with("\"a.toml\""), HasSubstr("b.toml:1: include names"));
  EXPECT_THAT(with("\"a.toml\""), HasSubstr("is read already"));
  EXPECT_THAT(with("\"holdfast.toml\""), HasSubstr("is read already"));
  EXPECT_THAT(with("[\"c.toml\", \"./c.toml\"]"), HasSubstr("is no file"));
  EXPECT_THAT(with("\"../a.toml\""), HasSubstr("is not below"));
  EXPECT_THAT(with("\"/etc/passwd\""), HasSubstr("is not below"));
  EXPECT_THAT(with("\"teams\""), HasSubstr("is no file"));
  EXPECT_THAT(with("\"\""), HasSubstr("has to name files"));
  EXPECT_THAT(with("\"a\\u0000.toml\""), HasSubstr("has to name files"));
  EXPECT_THAT(with("3"), HasSubstr("string in quotes"));
  EXPECT_THAT(with("\"" + std::string(3000, 'x') + "\""), HasSubstr("is no file"));
  ASSERT_EQ(symlink("/etc", (folder + "/out").c_str()), 0);
  EXPECT_THAT(with("\"out/passwd\""), HasSubstr("is not below"));
  ASSERT_EQ(symlink("loop", (folder + "/loop").c_str()), 0);
  EXPECT_THAT(with("\"loop\""), HasSubstr("is no file"));

  for (int i = 1; i <= 9; ++i)
    write("deep/" + std::to_string(i) + ".toml",
          i == 9 ? "# the end\n" : "include = \"" + std::to_string(i + 1) + ".toml\"\n");
  EXPECT_THAT(with("\"deep/1.toml\""), HasSubstr("more than 8 files"));
  EXPECT_EQ(with("\"deep/2.toml\""), "");

  std::string list = "[\n";
  for (int i = 0; i <= 1000; ++i) {
    write("many/" + std::to_string(i) + ".toml", "");
    list += "\"many/" + std::to_string(i) + ".toml\",\n";
  }
  EXPECT_THAT(with(list + "]"), HasSubstr("one of more than 1000"));
}

TEST_F(ConfigFiles, IncludedOnesAreRefusedWhereOthersCanWrite) {
  write("holdfast.toml", "include = \"x/y/a.toml\"\n");
  write("x/y/a.toml", "");
  EXPECT_EQ(ownership_complaint(), "");
  for (const std::string& name : {folder + "/x", folder + "/x/y", folder + "/x/y/a.toml"}) {
    struct stat before {};
    ASSERT_EQ(stat(name.c_str(), &before), 0);
    ASSERT_EQ(chmod(name.c_str(), (before.st_mode & 07777) | S_IWGRP), 0);
    EXPECT_THAT(ownership_complaint(), HasSubstr("chmod go-w " + name));
    ASSERT_EQ(chmod(name.c_str(), before.st_mode & 07777), 0);
  }
}

TEST_F(ConfigFiles, AreRefusedBehindALinkIntoAFolderThatOthersCanWrite) {
  write("teams/a.toml", "");
  std::filesystem::create_directory(folder + "/policy.d");
  ASSERT_EQ(symlink("../teams/a.toml", (folder + "/policy.d/a.toml").c_str()), 0);
  EXPECT_EQ(ownership_complaint(), "");
  ASSERT_EQ(chmod((folder + "/teams").c_str(), 0775), 0);
  EXPECT_THAT(ownership_complaint(), HasSubstr("chmod go-w " + folder + "/teams"));
}

TEST(Config, OtherFilesHoldOnlyGrantsAndIncludes) {
  EXPECT_NO_THROW(parse({{"/a.toml", ""}, {"/b.toml", "include = \"c.toml\"\n"}}));
  EXPECT_THROW(parse({{"/a.toml", ""}, {"/b.toml", "[daemon]\n"}}), Error);
  EXPECT_THROW(parse({{"/a.toml", "include = 1\n"}}), Error);
}

}  // namespace
}  // namespace holdfast::config
