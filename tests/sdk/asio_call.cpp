// call.c, with the Asio client: the same arguments, the same lines.
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <holdfast/asio.hpp>
#include <iostream>
#include <map>

namespace {

boost::asio::awaitable<void> call(holdfast::asio_client client, std::string method,
                                  std::string target, std::string body) {
  try {
    const holdfast::reply reply = co_await client.call(method, target, body);
    std::cout << "ok " << reply.status << " 0 " << reply.request_id << " " << reply.body;
  } catch (const holdfast::error& failure) {
    std::cout << failure.code_text() << " " << failure.status() << " "
              << failure.retry_after().count() << " "
              << (failure.request_id().empty() ? "-" : failure.request_id()) << " "
              << failure.what();
  }
  std::cout << std::endl;
}

// Those that exec(3) would hand on.
int open_descriptors() {
  int count = 0;
  for (int fd = 3; fd < 256; ++fd) {
    const int flags = fcntl(fd, F_GETFD);
    count += flags >= 0 && !(flags & FD_CLOEXEC);
  }
  return count;
}

}  // namespace

int main(int count, char** arguments) {
  const int before = open_descriptors();
  std::map<std::string, std::string> given{{"--times", "1"}};
  int at = 1;
  for (; at + 1 < count && std::string_view(arguments[at]).starts_with("--"); at += 2)
    given[arguments[at]] = arguments[at + 1];
  std::vector<std::string> what(arguments + at, arguments + count);
  what.resize(3);

  holdfast::options options;
  if (given.contains("--timeout"))
    options.timeout = std::chrono::milliseconds(std::stol(given["--timeout"]));
  if (given.contains("--patience"))
    options.connect_patience = std::chrono::milliseconds(std::stol(given["--patience"]));
  boost::asio::io_context io(1);
  const holdfast::asio_client client(io.get_executor(), options);
  for (long done = 0; done < std::stol(given["--times"]); ++done) {
    while (done > 0 && given.contains("--between") && access(given["--between"].c_str(), F_OK) != 0)
      usleep(1000);
    if (done > 0 && given.contains("--become")) {
      const auto uid = static_cast<uid_t>(std::stol(given["--become"]));
      if (setresuid(uid, uid, uid) != 0) return 1;
    }
    boost::asio::co_spawn(io, call(client, what[0], what[1], what[2]),
                          [](std::exception_ptr failure) {
                            if (failure) std::rethrow_exception(failure);
                          });
    io.restart();
    io.run();
  }
  return open_descriptors() > before ? 3 : 0;
}
