// One connection to the daemon: requests in, JSON or Failure out.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/json.h"
#include "daemon/base/posix.h"

namespace holdfast::cli {

struct Reply {
  std::string body;  // as the daemon sent it, for --json
  json::value value;
  const json::object& object() const { return value.get_object(); }
};

// Not thread-safe. Connects at the first request, keeps the connection, and makes a new one, once a
// request, if the kept one died before anything of the reply came.
class Client {
 public:
  // `socket`: of --socket, or empty to search. Throw Failure.
  static Client application(const std::string& socket);
  static Client admin(const std::string& socket);
  // The admin socket where the caller may use it, unless only what is `mine` is wanted; else the
  // application socket.
  static Client reading(const std::string& socket, bool mine);
  // metrics.sock beside the admin socket: get_text() alone.
  static Client metrics(const std::string& socket);

  // Throw Failure: what the daemon refused, or what kept it from answering within `patience`.
  Reply get(const std::string& target);
  std::string get_text(const std::string& target);
  Reply post(const std::string& target, const json::object& body);
  Reply post_secret(const std::string& target, std::span<const char> body);
  Reply remove(const std::string& target);

  // Making an RSA key in a TPM may take minutes.
  void be_patient(std::chrono::seconds patience) { patience_ = patience; }
  const std::string& path() const { return path_; }

 private:
  Client(std::string path, bool admin) : path_(std::move(path)), admin_(admin) {}
  std::string exchange(std::string_view method, const std::string& target,
                       std::span<const char> body);
  Reply send(std::string_view method, const std::string& target, std::span<const char> body);

  std::string path_;
  bool admin_;
  std::chrono::seconds patience_{30};
  UniqueFd connection_;
};

}  // namespace holdfast::cli
