#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "sdk/cli/client.h"
#include "sdk/cli/discovery.h"
#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kStranger = 4242;

class SocketDiscovery : public testing::Test {
 protected:
  SocketDiscovery() {
    char name[] = "/tmp/holdfast-cli-XXXXXX";
    folder_ = mkdtemp(name);
    for (const char* variable : {"HOLDFAST_SOCKET", "HOLDFAST_ADMIN_SOCKET", "XDG_RUNTIME_DIR"})
      unsetenv(variable);
  }
  ~SocketDiscovery() override { fs::remove_all(folder_); }

  std::string path(const char* name) const { return folder_ + "/" + name; }

  static UniqueFd listen_on(const std::string& where) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, where.c_str());
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd.get(), 8), 0);
    return fd;
  }

  std::string folder_;
};

TEST_F(SocketDiscovery, TakesTheFirstThatExists) {
  setenv("XDG_RUNTIME_DIR", folder_.c_str(), 1);
  fs::create_directory(path("holdfast"));
  const UniqueFd xdg = listen_on(path("holdfast/holdfast.sock"));
  EXPECT_EQ(find_application_socket(""), path("holdfast/holdfast.sock"));
  EXPECT_EQ(find_admin_socket(""), path("holdfast/admin.sock"));
  setenv("HOLDFAST_SOCKET", path("not-there.sock").c_str(), 1);
  EXPECT_EQ(find_application_socket(""), path("holdfast/holdfast.sock"));
  const UniqueFd own = listen_on(path("own.sock"));
  setenv("HOLDFAST_SOCKET", path("own.sock").c_str(), 1);
  EXPECT_EQ(find_application_socket(""), path("own.sock"));
  setenv("HOLDFAST_ADMIN_SOCKET", "/a/admin.sock", 1);
  EXPECT_EQ(find_admin_socket(""), "/a/admin.sock");
  EXPECT_EQ(find_application_socket("/b/x.sock"), "/b/x.sock");
  EXPECT_EQ(find_admin_socket("/b/x.sock"), "/b/admin.sock");
}

TEST_F(SocketDiscovery, RefusesASymbolicLink) {
  const UniqueFd fd = listen_on(path("real.sock"));
  fs::create_symlink(path("real.sock"), path("holdfast.sock"));
  EXPECT_NO_THROW(check_socket(path("real.sock"), trusted_owners()));
  EXPECT_THROW(check_socket(path("holdfast.sock"), trusted_owners()), Failure);
}

TEST_F(SocketDiscovery, RefusesASquattedSocket) {
  const UniqueFd fd = listen_on(path("holdfast.sock"));
  EXPECT_THROW(check_socket(path("holdfast.sock"), {kStranger}), Failure);
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a socket away";
  ASSERT_EQ(lchown(path("holdfast.sock").c_str(), kStranger, kStranger), 0);
  EXPECT_THROW(check_socket(path("holdfast.sock"), trusted_owners()), Failure);
}

TEST_F(SocketDiscovery, RefusesAFolderWhereOthersCanPutAnother) {
  const UniqueFd fd = listen_on(path("holdfast.sock"));
  chmod(folder_.c_str(), 0777);
  EXPECT_THROW(check_socket(path("holdfast.sock"), trusted_owners()), Failure);
  chmod(folder_.c_str(), 0770);
  EXPECT_THROW(check_socket(path("holdfast.sock"), trusted_owners()), Failure);
  chmod(folder_.c_str(), 01777);
  EXPECT_NO_THROW(check_socket(path("holdfast.sock"), trusted_owners()));
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  ASSERT_EQ(chown(folder_.c_str(), kStranger, kStranger), 0);
  EXPECT_THROW(check_socket(path("holdfast.sock"), trusted_owners()), Failure);
}

TEST_F(SocketDiscovery, RefusesAListenerWhoIsSomebodyElse) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can listen as somebody else";
  const std::string where = path("holdfast.sock");
  chmod(folder_.c_str(), 0777);
  int ready[2], done[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(done[1]);
    if (setresgid(kStranger, kStranger, kStranger) != 0 ||
        setresuid(kStranger, kStranger, kStranger) != 0)
      _exit(1);
    const UniqueFd fd = listen_on(where);
    [[maybe_unused]] auto size = write(ready[1], "x", 1);
    char end;
    size = read(done[0], &end, 1);
    _exit(0);
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  // As if the socket had been exchanged between the check and the connection: its file looks right.
  chmod(folder_.c_str(), 0755);
  ASSERT_EQ(lchown(where.c_str(), 0, 0), 0);
  EXPECT_NO_THROW(check_socket(where, trusted_owners()));
  EXPECT_THROW(connect_socket(where, trusted_owners(), false), Failure);
  close(done[1]);
  waitpid(child, nullptr, 0);
  for (const int fd : {ready[0], ready[1], done[0]}) close(fd);
}

TEST_F(SocketDiscovery, RefusesWhatIsNoSocketAndPathsThatAreTooLong) {
  std::ofstream(path("file")) << "x";
  EXPECT_THROW(check_socket(path("file"), trusted_owners()), Failure);
  EXPECT_THROW(check_socket(path("missing"), trusted_owners()), Failure);
  try {
    check_socket("/" + std::string(kMaxSocketPath, 'a'), trusted_owners());
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_NE(failure.message().find("108 bytes"), std::string::npos) << failure.message();
  }
}

TEST_F(SocketDiscovery, SaysHowToStartADaemonThatDoesNotListen) {
  listen_on(path("holdfast.sock"));  // closed at once: the file stays
  try {
    Client::application(path("holdfast.sock")).get("/v1/health");
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_NE(failure.advice().find("holdfast dev"), std::string::npos);
  }
}

std::string take_request(int fd) {
  std::string text;
  char chunk[4096];
  while (text.find("\r\n\r\n") == std::string::npos) {
    const ssize_t size = recv(fd, chunk, sizeof chunk, 0);
    if (size <= 0) break;
    text.append(chunk, static_cast<std::size_t>(size));
  }
  return text;
}

void answer(int fd, const std::string& body) {
  const std::string text = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
                           std::to_string(body.size()) + "\r\n\r\n" + body;
  ASSERT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

TEST_F(SocketDiscovery, KeepsItsConnectionAndReplacesADeadOne) {
  const UniqueFd listener = listen_on(path("holdfast.sock"));
  std::thread daemon([&] {
    {
      const UniqueFd first(accept(listener.get(), nullptr, nullptr));
      EXPECT_NE(take_request(first.get()).find("GET /a HTTP/1.1\r\nHost: holdfast\r\n"),
                std::string::npos);
      answer(first.get(), "{\"n\":1}");
      EXPECT_NE(take_request(first.get()).find("GET /b "), std::string::npos);
    }
    const UniqueFd second(accept(listener.get(), nullptr, nullptr));
    EXPECT_NE(take_request(second.get()).find("GET /b "), std::string::npos);
    answer(second.get(), "{\"n\":2}");
  });
  Client client = Client::application(path("holdfast.sock"));
  EXPECT_EQ(client.get("/a").body, "{\"n\":1}");
  EXPECT_EQ(client.get("/b").object().at("n"), 2);
  daemon.join();
}

TEST_F(SocketDiscovery, DoesNotRepeatARequestOnAFreshConnection) {
  const UniqueFd listener = listen_on(path("holdfast.sock"));
  std::thread daemon([&] {
    const UniqueFd first(accept(listener.get(), nullptr, nullptr));
    take_request(first.get());
  });
  Client client = Client::application(path("holdfast.sock"));
  EXPECT_THROW(client.get("/a"), Failure);
  daemon.join();
}

}  // namespace
}  // namespace holdfast::cli
