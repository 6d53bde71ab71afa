#include "daemon/service/admin.h"

#include "daemon/identity/peer.h"
#include "daemon/service/audit_admin.h"
#include "daemon/service/device_admin.h"
#include "daemon/service/documents.h"
#include "daemon/service/key_admin.h"
#include "daemon/service/query.h"
#include "daemon/service/recording.h"
#include "daemon/service/router.h"

namespace holdfast {
namespace {

using boost::asio::awaitable;
using socket::Request;
using socket::Response;

class Admin final : public socket::Session {
 public:
  Admin(Service& service, const Store& store, int fd)
      : service_(service),
        keys_(service, store),
        devices_(service),
        audit_(service),
        peer_(identity::Peer::of(fd)) {}

  awaitable<void> prepare() override {
    return peer_.complete(*service_.processes, service_.groups);
  }

  awaitable<Response> handle(Request request, std::string request_id) override {
    peer_.require_alive();
    peer_.name_user();
    Parameters parameters;
    try {
      const auto& route = find_route<Entry>(kRoutes, request.method, request.path, parameters);
      return recorded(route.handler, std::move(request), std::move(request_id),
                      std::move(parameters));
    } catch (const MethodNotAllowed& error) {
      return answer_method_not_allowed(error, request_id);
    }
  }

 private:
  using Parameters = std::vector<std::string>;
  using Method = awaitable<Response> (Admin::*)(const Request&, const Parameters&);
  struct Entry {
    std::string_view operation;
    Method method;
  };

  // Carries out the call, records it, and only then answers.
  awaitable<Response> recorded(Entry entry, Request request, std::string request_id,
                               Parameters parameters) {
    audit::Record record = record_of(service_, peer_.caller(),
                                     "admin." + std::string(entry.operation), {}, request_id);
    record.allowed = true;
    record.code = "ok";
    if (entry.operation.starts_with("key.") && !parameters.empty() && is_key_name(parameters[0]))
      record.key = parameters[0];
    if (entry.operation == "device.accept") record.details.reason = "device " + parameters[0];

    // Nothing is changed that could not be recorded afterwards.
    const std::string failure = service_.audit->failure();
    if (!failure.empty()) throw Error(ErrorKind::audit_unavailable, failure);
    Response response;
    std::optional<Error> refusal;
    try {
      response = co_await (this->*entry.method)(request, parameters);
    } catch (const Error& error) {
      refusal = error;
    } catch (const std::exception& error) {
      refusal.emplace(ErrorKind::internal, error.what());
    }
    if (record.key.empty()) record.key = keys_.take_named();
    if (refusal) {
      record.code = to_string(refusal->kind());
      record.details.reason = refusal->what();
    } else {
      record.details.reason += std::exchange(done_, {});
    }
    // Not before: an accepted clock is the one that counts from now on.
    record.time = service_.clock.now();
    // In full, refused or not: few may call here.
    const auto sequence = co_await put_on_record(service_, std::move(record), {}, false, nullptr);
    if (refusal) response = socket::problem(*refusal, request_id, {}, sequence);
    response.headers.emplace_back("Audit-Seq", std::to_string(*sequence));
    co_return response;
  }

  awaitable<Response> version(const Request&, const Parameters&) {
    co_return json_response(version_document());
  }

  awaitable<Response> health(const Request&, const Parameters&) {
    co_return json_response(health_document(service_, true));
  }

  awaitable<Response> list_keys(const Request& request, const Parameters&) {
    const Query query(request.query, {"limit", "after"});
    co_return json_response(keys_document(service_, query.number("limit", 1, 1000, 100),
                                          query.text("after"), [](const Key&) { return true; }));
  }

  awaitable<Response> show_key(const Request&, const Parameters& parameters) {
    const Catalogue::Entry key = service_.catalogue.find(parameters[0]);
    if (!key) throw Error(ErrorKind::not_found, "there is no key " + parameters[0]);
    co_return json_response(key_document(service_, *key, true));
  }

  awaitable<Response> create_key(const Request& request, const Parameters&) {
    co_return json_response(co_await keys_.create(account(), request.body_text()), 201);
  }

  awaitable<Response> import_key(const Request& request, const Parameters&) {
    co_return json_response(co_await keys_.import(account(), request.body_text()), 201);
  }

  awaitable<Response> enrol_key(const Request& request, const Parameters&) {
    co_return json_response(co_await keys_.enrol(account(), request.body_text()), 201);
  }

  awaitable<Response> add_version(const Request& request, const Parameters& parameters) {
    co_return json_response(
        co_await keys_.add_version(account(), parameters[0], request.body_text()), 201);
  }

  awaitable<Response> change_version(const Request& request, const Parameters& parameters) {
    require_empty(request);
    co_return json_response(
        co_await keys_.change_version(parameters[0], parameters[1], parameters[2]));
  }

  awaitable<Response> request_certificate(const Request& request, const Parameters& parameters) {
    json::object made =
        co_await keys_.request_certificate(account(), parameters[0], request.body_text());
    done_ = "version " + json::serialize(made.at("version"));
    co_return json_response(made);
  }

  awaitable<Response> attach_certificate(const Request& request, const Parameters& parameters) {
    KeyAdmin::Attached attached =
        co_await keys_.attach_certificate(parameters[0], request.body_text());
    done_ = std::move(attached.what);
    co_return json_response(attached.document);
  }

  awaitable<Response> disable_key(const Request& request, const Parameters& parameters) {
    require_empty(request);
    co_return json_response(co_await keys_.set_disabled(parameters[0], true));
  }

  awaitable<Response> enable_key(const Request& request, const Parameters& parameters) {
    require_empty(request);
    co_return json_response(co_await keys_.set_disabled(parameters[0], false));
  }

  awaitable<Response> delete_key(const Request& request, const Parameters& parameters) {
    require_empty(request);
    co_await keys_.remove(account(), parameters[0]);
    Response response;
    response.status = 204;
    co_return response;
  }

  awaitable<Response> jwks(const Request& request, const Parameters&) {
    const Query query(request.query, {"key"});
    co_return json_response(
        jwks_document(service_.catalogue, query.text("key"), [](const Key&) { return true; }));
  }

  awaitable<Response> accept_clock(const Request& request, const Parameters&) {
    require_empty(request);
    const std::chrono::seconds behind = service_.clock.accept();
    co_return json_response(
        {{"behind_seconds", behind.count()}, {"time", to_rfc3339(service_.clock.now())}});
  }

  awaitable<Response> accept_device(const Request& request, const Parameters& parameters) {
    require_empty(request);
    co_return json_response(co_await devices_.accept(parameters[0]));
  }

  awaitable<Response> reload_policy(const Request& request, const Parameters&) {
    require_empty(request);
    co_await reload(service_);
    co_return json_response(
        {{"policy_digest", service_.policy->digest()}, {"grants", service_.policy->size()}});
  }

  awaitable<Response> read_audit(const Request& request, const Parameters&) {
    const Query query(request.query, {"after", "limit"});
    const std::int64_t after = query.number("after", -1, INT64_MAX, -1);
    co_return json_response(co_await audit_.read(after, query.number("limit", 1, 1000, 100)));
  }

  awaitable<Response> read_anchor(const Request&, const Parameters&) {
    co_return json_response(co_await audit_.anchor(account()));
  }

  awaitable<Response> prune_audit(const Request& request, const Parameters&) {
    const json::object pruned = co_await audit_.prune(request.body_text());
    done_ = audit_.take_done();
    co_return json_response(pruned);
  }

  awaitable<Response> show_request(const Request&, const Parameters& parameters) {
    co_return json_response(co_await audit_.request(parameters[0]));
  }

  static void require_empty(const Request& request) {
    if (!request.body.empty() && request.body_text() != "{}")
      throw Error(ErrorKind::invalid_request, "this call takes no body");
  }

  std::uint64_t account() const { return peer_.caller().account; }

  static const Route<Entry> kRoutes[22];

  Service& service_;
  KeyAdmin keys_;
  DeviceAdmin devices_;
  AuditAdmin audit_;
  identity::Peer peer_;
  std::string done_;  // by the call under way, for its record
};

const Route<Admin::Entry> Admin::kRoutes[22] = {
    {"GET", "/v1/version", {"version", &Admin::version}},
    {"GET", "/v1/health", {"health", &Admin::health}},
    {"GET", "/v1/keys", {"key.list", &Admin::list_keys}},
    {"POST", "/v1/keys", {"key.create", &Admin::create_key}},
    {"POST", "/v1/keys/import", {"key.import", &Admin::import_key}},
    {"POST", "/v1/keys/enrol", {"key.enrol", &Admin::enrol_key}},
    {"GET", "/v1/keys/{}", {"key.show", &Admin::show_key}},
    {"DELETE", "/v1/keys/{}", {"key.delete", &Admin::delete_key}},
    {"POST", "/v1/keys/{}/versions", {"key.add_version", &Admin::add_version}},
    {"POST", "/v1/keys/{}/versions/{}/{}", {"key.change_version", &Admin::change_version}},
    {"POST", "/v1/keys/{}/csr", {"key.csr", &Admin::request_certificate}},
    {"POST", "/v1/keys/{}/certificate", {"key.certificate", &Admin::attach_certificate}},
    {"POST", "/v1/keys/{}/disable", {"key.disable", &Admin::disable_key}},
    {"POST", "/v1/keys/{}/enable", {"key.enable", &Admin::enable_key}},
    {"GET", "/v1/jwks", {"jwks", &Admin::jwks}},
    {"POST", "/v1/clock/accept", {"clock.accept", &Admin::accept_clock}},
    {"POST", "/v1/devices/{}/accept", {"device.accept", &Admin::accept_device}},
    {"POST", "/v1/reload", {"reload", &Admin::reload_policy}},
    {"GET", "/v1/audit", {"audit.read", &Admin::read_audit}},
    {"GET", "/v1/audit/anchor", {"audit.anchor", &Admin::read_anchor}},
    {"POST", "/v1/audit/prune", {"audit.prune", &Admin::prune_audit}},
    {"GET", "/v1/requests/{}", {"request.show", &Admin::show_request}},
};

}  // namespace

std::unique_ptr<socket::Session> accept_admin(Service& service, const Store& store, int fd) {
  return std::make_unique<Admin>(service, store, fd);
}

}  // namespace holdfast
