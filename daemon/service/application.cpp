#include "daemon/service/application.h"

#include <unistd.h>

#include "daemon/identity/peer.h"
#include "daemon/serve.h"
#include "daemon/service/documents.h"
#include "daemon/service/query.h"
#include "daemon/service/recording.h"
#include "daemon/service/router.h"

namespace holdfast {
namespace {

using boost::asio::awaitable;
using socket::Request;
using socket::Response;

class Application final : public socket::Session {
 public:
  Application(Service& service, int fd) : service_(service), peer_(identity::Peer::of(fd)) {}

  // Root and ourselves too: who looks after the daemon is not shut out by those whom no grant names.
  socket::Standing standing() const override {
    const uid_t uid = peer_.caller().uid;
    return {uid == 0 || uid == ::geteuid() || service_.policy->may_name(peer_.caller()),
            peer_.group()};
  }

  awaitable<void> prepare() override {
    return peer_.complete(*service_.processes, service_.groups);
  }

  awaitable<Response> handle(Request request, std::string request_id) override {
    peer_.require_alive();
    peer_.name_user();
    return peer_.is_complete() && !wants_digest()
               ? answer(std::move(request), std::move(request_id))
               : answer_late(std::move(request), std::move(request_id));
  }

 private:
  using Parameters = std::vector<std::string>;
  using Handler = awaitable<Response> (Application::*)(Request, std::string, Parameters);

  // Its executable is read only where the grants make something of it.
  bool wants_digest() const {
    return !peer_.is_measured() && service_.policy->wants_digest(peer_.caller());
  }

  // Nobody could say who this is when it connected, or nobody had to know its executable to the byte.
  awaitable<Response> answer_late(Request request, std::string request_id) {
    co_await peer_.complete(*service_.processes, service_.groups);
    if (wants_digest()) co_await peer_.measure(*service_.processes);
    co_return co_await answer(std::move(request), std::move(request_id));
  }

  awaitable<Response> answer(Request request, std::string request_id) {
    Parameters parameters;
    try {
      const auto& route = find_route<Handler>(kRoutes, request.method, request.path, parameters);
      return (this->*route.handler)(std::move(request), std::move(request_id),
                                    std::move(parameters));
    } catch (const MethodNotAllowed& error) {
      return answer_method_not_allowed(error, request_id);
    }
  }

  awaitable<Response> version(Request, std::string, Parameters) {
    co_return json_response(version_document());
  }

  awaitable<Response> health(Request, std::string, Parameters) {
    co_return json_response(health_document(service_, false));
  }

  awaitable<Response> whoami(Request, std::string, Parameters) {
    co_return json_response(whoami_document(service_, peer_.caller()));
  }

  awaitable<Response> keys(Request request, std::string, Parameters) {
    const Query query(request.query, {"limit", "after"});
    co_return json_response(keys_document(service_, query.number("limit", 1, 1000, 100),
                                          query.text("after"),
                                          [&](const Key& key) { return is_shown(key); }));
  }

  awaitable<Response> key(Request, std::string id, Parameters parameters) {
    const Catalogue::Entry key = service_.catalogue.find(parameters[0]);
    if (key && is_shown(*key)) co_return json_response(key_document(service_, *key, true));
    const Error refusal(ErrorKind::not_permitted,
                        "no grant names this key, or there is no such key");
    audit::Record record = record_of(service_, peer_.caller(), "key.show",
                                     is_key_name(parameters[0]) ? parameters[0] : "", id);
    record.code = to_string(refusal.kind());
    record.details.reason = key ? "no grant names the key" : "there is no such key";
    const auto sequence = co_await put_on_record(service_, std::move(record), {}, true, key);
    co_return socket::problem(refusal, id, {}, sequence);
  }

  awaitable<Response> sign_sigv4(Request request, std::string id, Parameters) {
    return serve(service_, peer_.caller(), Operation::sign_sigv4, std::move(request),
                 std::move(id));
  }

  awaitable<Response> sign_chunk(Request request, std::string id, Parameters) {
    return serve(service_, peer_.caller(), Operation::sign_sigv4_chunk, std::move(request),
                 std::move(id));
  }

  awaitable<Response> sign_s3_post(Request request, std::string id, Parameters) {
    return serve(service_, peer_.caller(), Operation::sign_s3_post, std::move(request),
                 std::move(id));
  }

  awaitable<Response> sign_roles_anywhere(Request request, std::string id, Parameters) {
    return serve(service_, peer_.caller(), Operation::sign_roles_anywhere, std::move(request),
                 std::move(id));
  }

  awaitable<Response> mint_jwt(Request request, std::string id, Parameters) {
    return serve(service_, peer_.caller(), Operation::mint_jwt, std::move(request), std::move(id));
  }

  awaitable<Response> jwks(Request request, std::string, Parameters) {
    const Query query(request.query, {"key"});
    co_return json_response(jwks_document(service_.catalogue, query.text("key"),
                                          [&](const Key& key) { return is_shown(key); }));
  }

  awaitable<Response> sign_digest(Request request, std::string id, Parameters) {
    return serve(service_, peer_.caller(), Operation::sign_digest, std::move(request),
                 std::move(id));
  }

  // The log's own key is nobody's, whatever a grant's pattern fits.
  bool is_shown(const Key& key) const {
    return key.use != KeyUse::audit && service_.policy->names(peer_.caller(), key.name);
  }

  static const Route<Handler> kRoutes[12];

  Service& service_;
  identity::Peer peer_;
};

const Route<Application::Handler> Application::kRoutes[12] = {
    {"POST", "/v1/sign/sigv4", &Application::sign_sigv4},
    {"POST", "/v1/sign/sigv4/chunk", &Application::sign_chunk},
    {"POST", "/v1/sign/s3-post", &Application::sign_s3_post},
    {"POST", "/v1/sign/roles-anywhere", &Application::sign_roles_anywhere},
    {"POST", "/v1/token/jwt", &Application::mint_jwt},
    {"POST", "/v1/sign/digest", &Application::sign_digest},
    {"GET", "/v1/version", &Application::version},
    {"GET", "/v1/health", &Application::health},
    {"GET", "/v1/whoami", &Application::whoami},
    {"GET", "/v1/keys", &Application::keys},
    {"GET", "/v1/keys/{}", &Application::key},
    {"GET", "/v1/jwks", &Application::jwks},
};

}  // namespace

std::unique_ptr<socket::Session> accept_application(Service& service, int fd) {
  return std::make_unique<Application>(service, fd);
}

}  // namespace holdfast
