#include "sdk/aws/role.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sdk/cli/failure.h"
#include "sdk/cli/output.h"

namespace holdfast::aws {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

http::status status_of(cli::Exit exit) {
  if (exit == cli::Exit::later) return http::status::service_unavailable;
  if (exit == cli::Exit::refused) return http::status::forbidden;
  return http::status::internal_server_error;
}

}  // namespace

Role::Role(std::string name, std::string arn, std::unique_ptr<Source> source,
           std::chrono::seconds patience, const Clock& clock)
    : name_(std::move(name)),
      arn_(std::move(arn)),
      source_(std::move(source)),
      patience_(patience),
      clock_(clock) {}

Role::~Role() {
  if (thread_) thread_->join();
}

void Role::try_out() {
  source_->fetch(clock_.steady() + patience_);
}

asio::awaitable<cli::HttpResponse> Role::answer() {
  if (!thread_) thread_.emplace(1);
  co_return co_await asio::co_spawn(
      *thread_,
      // From now, not from when its turn comes: those that wait behind one another give up together.
      [this, deadline = clock_.steady() + patience_]() -> asio::awaitable<cli::HttpResponse> {
        co_return fetch(deadline);
      },
      asio::use_awaitable);
}

cli::HttpResponse Role::fetch(SteadyTime deadline) {
  try {
    cli::HttpResponse response(http::status::ok, 11);
    response.set(http::field::content_type, "application/json");
    response.body() = to_endpoint_json(source_->fetch(deadline), arn_);
    return response;
  } catch (const cli::Failure& failure) {
    const std::string message = cli::printable(failure.message());
    cli::note("holdfast: " + name_ + ": " + message);
    const json::object body{{"code", "CredentialsUnavailable"}, {"message", message}};
    return cli::http_reply(status_of(failure.exit()), json::serialize(body), "application/json");
  } catch (const std::exception& error) {
    cli::note("holdfast: " + name_ + ": " + cli::printable(error.what()));
    return cli::http_refusal(http::status::internal_server_error,
                             "a defect; see what `holdfast aws serve` says");
  }
}

}  // namespace holdfast::aws
