// The C++ client and the Asio one against a daemon: what they get, and how they fail. cpp blocking|asio|fork|restart
// The daemon has keys "aws" (sigv4), "digests" (ec-p256) and grants everything. Ends with 0, or says what is wrong.
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <holdfast/asio.hpp>
#include <iostream>
#include <set>

namespace {

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

holdfast::sigv4_request get(const std::string& path) {
  return {.key = "aws",
          .region = "eu-west-1",
          .service = "s3",
          .url = "https://bucket.s3.eu-west-1.amazonaws.com" + path,
          .explain = true};
}

void check(const holdfast::sigv4_reply& reply, const std::string& path) {
  require(reply.signature.size() == 64 && reply.headers.size() == 3, "a well-formed signature");
  require(reply.canonical_request.starts_with("GET\n" + path + "\n"), "of this request");
  require(!reply.request_id.empty(), "with the request's id");
}

void check(const holdfast::digest_reply& reply) {
  require(reply.signature.size() > 64 && reply.signature[0] == 0x30, "a DER signature");
}

const holdfast::digest_request kDigest{
    .key = "digests", .algorithm = "ES256", .digest = std::string(32, 'd'), .encoding = "der"};

template <class Call>
holdfast_code code_of(Call call) {
  try {
    call();
  } catch (const holdfast::error& failure) {
    return failure.code();
  }
  return HOLDFAST_OK;
}

void blocking() {
  const holdfast::client client;
  check(client.sign(get("/a")), "/a");
  check(client.sign(kDigest));
  require(client.whoami().body.find("\"grants\"") != std::string::npos, "whoami");
  require(client.keys(10, "a").body.find("digests") != std::string::npos, "keys");
  require(client.key("digests").body.find("BEGIN PUBLIC KEY") != std::string::npos, "key");
  auto presigned = get("/p");
  presigned.presign = std::chrono::minutes(15);
  require(client.sign(presigned).url.find("X-Amz-Expires=900") != std::string::npos,
          "a presigned URL");
  auto put = get("/b");
  put.method = "PUT";
  put.body = "";
  put.headers = {{"Content-Type", "text/plain"}};
  put.session_token = "token";
  require(client.sign(put).signed_headers.find("content-type") == 0, "headers and body");
  require(code_of([&] { client.key("nobody-has-it"); }) == HOLDFAST_NOT_PERMITTED, "not permitted");
  auto wrong = get("/a b");
  wrong.region = "NOT A REGION";
  require(code_of([&] { client.sign(wrong); }) == HOLDFAST_INVALID_REQUEST, "invalid request");
  require(code_of([&] { client.call("GET", "/nowhere"); }) == HOLDFAST_NOT_FOUND, "not found");
}

using boost::asio::awaitable;

awaitable<void> one(holdfast::asio_client client, std::string path,
                    std::set<std::int64_t>* records) {
  const holdfast::sigv4_reply reply = co_await client.sign(get(path));
  check(reply, path);
  records->insert(reply.audit_seq);
}

awaitable<void> rest(holdfast::asio_client client) {
  const holdfast::digest_reply digest = co_await client.sign(kDigest);
  check(digest);
  const holdfast::reply who = co_await client.whoami();
  require(who.status == 200 && who.body.find("\"grants\"") != std::string::npos, "whoami");
  holdfast_code code = HOLDFAST_OK;
  try {
    co_await client.call("POST", "/v1/sign/sigv4", "{\"key\":1}");
  } catch (const holdfast::error& failure) {
    code = failure.code();
    require(failure.status() == 400 && !failure.request_id().empty(), "the problem's fields");
  }
  require(code == HOLDFAST_INVALID_REQUEST, "invalid request");
  code = HOLDFAST_OK;
  try {
    const std::string large(200000, ' ');
    co_await client.call("POST", "/v1/sign/sigv4", large);
  } catch (const holdfast::error& failure) {
    code = failure.code();
  }
  require(code == HOLDFAST_TOO_LARGE, "an early refusal arrives");
}

void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

void many(boost::asio::io_context& io, const holdfast::asio_client& client, int count) {
  std::set<std::int64_t> records;
  for (int at = 0; at < count; ++at)
    boost::asio::co_spawn(io, one(client, "/" + std::to_string(at), &records), rethrow);
  io.restart();
  io.run();
  require(records.size() == static_cast<std::size_t>(count), "each its own answer");
}

void asio() {
  boost::asio::io_context io(1);
  const holdfast::asio_client client(io.get_executor());
  many(io, client, 500);
  boost::asio::co_spawn(io, rest(client), rethrow);
  io.restart();
  io.run();
}

void fork_between_calls() {
  boost::asio::io_context io(1);
  const holdfast::asio_client client(io.get_executor());
  many(io, client, 10);
  io.notify_fork(boost::asio::io_context::fork_prepare);
  const pid_t child = fork();
  io.notify_fork(child ? boost::asio::io_context::fork_parent
                       : boost::asio::io_context::fork_child);
  many(io, client, 50);
  if (child == 0) _exit(0);
  int status = -1;
  waitpid(child, &status, 0);
  require(status == 0, "the child has its own connections");
  many(io, client, 10);
}

awaitable<void> for_a_while(holdfast::asio_client client, int count) {
  for (int at = 0; at < count; ++at) {
    const std::string path = "/" + std::to_string(at);
    const holdfast::sigv4_reply reply = co_await client.sign(get(path));
    check(reply, path);
    if (at == count / 2) std::cout << "middle" << std::endl;
  }
}

// Whoever runs this restarts the daemon in the middle.
void restart() {
  boost::asio::io_context io(1);
  const holdfast::asio_client client(io.get_executor(),
                                     {.connect_patience = std::chrono::seconds(20)});
  for (int at = 0; at < 4; ++at) boost::asio::co_spawn(io, for_a_while(client, 3000), rethrow);
  io.run();
}

}  // namespace

int main(int count, char** arguments) {
  const std::string what = count > 1 ? arguments[1] : "";
  try {
    if (what == "blocking") blocking();
    if (what == "asio") asio();
    if (what == "fork") fork_between_calls();
    if (what == "restart") restart();
    std::cout << "done" << std::endl;
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << what << ": " << failure.what() << "\n";
    return 1;
  }
}
