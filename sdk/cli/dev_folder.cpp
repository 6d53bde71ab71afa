#include "sdk/cli/dev_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "daemon/base/openssl.h"
#include "daemon/config/config.h"
#include "sdk/cli/discovery.h"
#include "sdk/cli/failure.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLongestName = "/swtpm.sock.ctrl";
constexpr std::string_view kTcti = "swtpm:path=";

[[noreturn]] void fail(const std::string& message, const std::string& advice = {}) {
  throw Failure(Exit::failed, message, advice);
}

// A folder that is ours and that nobody else can write to; made if absent.
void own_folder(const std::string& path) {
  struct stat info {};
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    fail("can't make the folder " + path + ": " + std::strerror(errno),
         "choose another with --dir");
  if (lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid())
    fail(path + " is not a folder of yours", "choose another with --dir");
  if (info.st_mode & (S_IWGRP | S_IWOTH)) fail("others can write to " + path, "chmod 700 " + path);
}

bool takes_sockets(const std::string& folder) {
  const std::string path = folder + "/probe.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  unlink(path.c_str());
  const bool done =
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  unlink(path.c_str());
  return done;
}

bool is_usable(const std::string& folder) {
  // tpm2-tss splits a TCTI's configuration at commas.
  const bool plain = folder.find(',') == std::string::npos;
  return plain && folder.size() + kLongestName.size() <= kMaxSocketPath && takes_sockets(folder);
}

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

UniqueFd take_lock(const std::string& folder) {
  const std::string path = folder + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd)
    fail("can't open " + path + ": " + std::strerror(errno), "choose another folder with --dir");
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = {};
    const ssize_t size = ::read(fd.get(), pid, sizeof pid - 1);
    fail(folder + " is in use by another `holdfast dev`" +
             (size > 0 ? " (pid " + printable(pid) + ")" : ""),
         "use its sockets, end it, or choose another folder with --dir");
  }
  if (ftruncate(fd.get(), 0) != 0) throw_errno(ErrorKind::internal, path);
  write_all(fd.get(), std::to_string(getpid()), path);
  return fd;
}

}  // namespace

std::string choose_runtime_folder(const std::string& folder) {
  if (is_usable(folder)) return folder;
  const char* xdg = std::getenv("XDG_RUNTIME_DIR");
  const std::string mark = sha256_hex(folder).substr(0, 12);
  const std::string base = xdg && *xdg == '/' ? xdg : "/tmp";
  for (const std::string& path : {base + "/holdfast-dev-" + mark,
                                  "/tmp/holdfast-dev-" + std::to_string(geteuid()) + "-" + mark}) {
    if (path.size() + kLongestName.size() > kMaxSocketPath) continue;
    own_folder(path);
    if (is_usable(path)) return path;
  }
  fail("no folder takes the sockets: not " + folder + ", not " + base,
       "choose one with a shorter path with --dir");
}

std::string dev_configuration(const std::string& folder, const std::string& runtime, unsigned uid) {
  const std::string caller = "caller = { uid = " + std::to_string(uid) + " }\n";
  const std::string open =
      "signing_options = true, encoded_path = true, action = [\"**\", \"unknown\"], \"header.*\" = "
      "\"**\", "
      "\"claim.*\" = \"**\"";
  return "# Made by `holdfast dev`, for development: a software TPM protects nothing, and the "
         "grants below\n"
         "# allow everything. Edit it as you like; further grants go into policy.d/*.toml beside "
         "it.\n"
         "[daemon]\n"
         "state_dir = " +
         toml_string(folder + "/state") +
         "\n"
         "runtime_dir = " +
         toml_string(runtime) +
         "\n"
         "allow_software_devices = true\n\n"
         "[[device]]\n"
         "name = \"tpm\"\n"
         "backend = \"tpm\"\n"
         "tcti = " +
         toml_string(std::string(kTcti) + runtime + "/swtpm.sock") +
         "\n\n"
         "[[grant]]\n"
         "name = \"dev\"\n"
         "key = \"*\"\n" +
         caller + "facts = { " + open +
         " }\n"
         "limits = { max_skew = \"unlimited\", ttl = \"365d\" }\n\n"
         "# A grant that names typ needs one, so tokens with a typ of their own have this one.\n"
         "[[grant]]\n"
         "name = \"dev-typ\"\n"
         "key = \"*\"\n" +
         caller + "facts = { typ = \"**\", " + open +
         " }\n"
         "limits = { max_skew = \"unlimited\", ttl = \"365d\" }\n\n"
         "# So do forms for S3, whose mode is closed.\n"
         "[[grant]]\n"
         "name = \"dev-post\"\n"
         "key = \"*\"\n" +
         caller + "facts = { mode = \"post\", \"starts_with.*\" = \"**\", " + open +
         " }\n"
         "limits = { max_skew = \"unlimited\" }\n";
}

DevFolder open_dev_folder(const std::string& given) {
  DevFolder folder;
  std::error_code ec;
  folder.path = fs::absolute(given).lexically_normal().string();
  if (folder.path.size() > 1 && folder.path.back() == '/') folder.path.pop_back();
  fs::create_directories(fs::path(folder.path).parent_path(), ec);
  own_folder(folder.path);
  const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  if (std::any_of(folder.path.begin(), folder.path.end(), control))
    fail("the folder's path holds a control character", "choose another with --dir");
  folder.lock = take_lock(folder.path);
  folder.config = folder.path + "/holdfast.toml";
  folder.tpm_state = folder.path + "/tpm";
  if (!fs::exists(folder.config))
    replace_file(folder.config,
                 dev_configuration(folder.path, choose_runtime_folder(folder.path), geteuid()),
                 0600);

  const config::Config config = config::parse(config::read_files(folder.config));
  folder.runtime = config.runtime_dir;
  if (config.state_dir.starts_with("/var/") || !fs::exists(fs::path(folder.runtime).parent_path()))
    fail(folder.config + " names folders outside of it or gone ones: " + config.state_dir + ", " +
             folder.runtime,
         "if the folder was moved, correct them, or delete the file to have it made again");
  own_folder(folder.runtime);
  own_folder(folder.tpm_state);
  own_folder(folder.path + "/policy.d");
  for (const config::Device& device : config.devices)
    if (device.tcti.starts_with(kTcti))
      folder.tpm_sockets.push_back(device.tcti.substr(kTcti.size()));
  return folder;
}

}  // namespace holdfast::cli
