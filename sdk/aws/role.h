// A role whose credentials are served: its source, on a thread of its own, so that one that waits for AWS keeps no
// other waiting.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "sdk/aws/credentials.h"
#include "sdk/cli/http_server.h"

namespace holdfast::aws {

class Role {
 public:
  // `arn` is shown to who asks for it; empty where there is none. `patience` is for one fetch. `clock` outlives this.
  Role(std::string name, std::string arn, std::unique_ptr<Source> source,
       std::chrono::seconds patience, const Clock& clock);
  ~Role();  // waits for a fetch that is under way

  const std::string& name() const { return name_; }
  // Fetches here and now, so that what is wrong is said at once. Throws cli::Failure. Not once answer() was called.
  void try_out();

  // The credentials as SDKs read them from an endpoint, or a status that is no success and says what went wrong.
  boost::asio::awaitable<cli::HttpResponse> answer();

 private:
  cli::HttpResponse fetch(SteadyTime deadline);

  std::string name_, arn_;
  std::unique_ptr<Source> source_;
  std::chrono::seconds patience_;
  const Clock& clock_;
  std::optional<boost::asio::thread_pool> thread_;  // from the first request on
};

}  // namespace holdfast::aws
