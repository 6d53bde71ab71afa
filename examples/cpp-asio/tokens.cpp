// Mints many tokens at once from one thread, and prints one a line.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <holdfast/asio.hpp>
#include <iostream>

namespace {

boost::asio::awaitable<void> mint(holdfast::asio_client client, holdfast::jwt_request request) {
  const holdfast::jwt_reply minted = co_await client.mint(request);
  std::cout << minted.token << "\n";
}

void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::cerr << "usage: " << arguments[0] << " KEY AUDIENCE COUNT\n";
    return 2;
  }
  try {
    boost::asio::io_context io(1);
    // Copies of a client share its connections. While the daemon restarts, calls wait for it.
    const holdfast::asio_client client(io.get_executor(),
                                       {.connect_patience = std::chrono::seconds(10)});
    for (int at = 0; at < std::atoi(arguments[3]); ++at) {
      const holdfast::jwt_request request{.key = arguments[1],
                                          .audiences = {arguments[2]},
                                          .ttl = std::chrono::minutes(5),
                                          .claims = "{\"number\":" + std::to_string(at) + "}"};
      boost::asio::co_spawn(io, mint(client, request), rethrow);
    }
    io.run();
    return 0;
  } catch (const holdfast::error& failure) {
    std::cerr << failure.code_text() << ": " << failure.what() << "\n";
    return 1;
  }
}
