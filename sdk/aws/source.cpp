#include <boost/url.hpp>

#include "sdk/aws/exchange.h"
#include "sdk/aws/reply.h"
#include "sdk/cli/failure.h"

namespace holdfast::aws {
namespace {

constexpr const char* kVersion = "2011-06-15";
constexpr const char* kFormType = "application/x-www-form-urlencoded; charset=utf-8";
constexpr std::int64_t kTokenSeconds = 300;

using Form = std::vector<std::pair<std::string, std::string>>;

SecretText encode(const Form& form) {
  SecretText out;
  const auto append = [&](std::string_view text) {
    out.insert(out.end(), text.begin(), text.end());
  };
  for (const auto& [name, value] : form) {
    if (!out.empty()) out.push_back('&');
    append(name);
    out.push_back('=');
    append(boost::urls::encode(value, boost::urls::unreserved_chars));
  }
  return out;
}

std::string text_of(const json::object& reply, std::string_view name) {
  const json::value* field = reply.if_contains(name);
  if (!field || !field->is_string())
    throw cli::Failure(cli::Exit::failed, "the daemon's reply has no " + std::string(name),
                       "compare versions with `holdfast version`");
  return std::string(field->get_string());
}

Headers headers_of(const json::object& reply) {
  Headers out;
  try {
    for (const json::value& header : reply.at("headers").as_array())
      out.emplace_back(header.as_array().at(0).as_string(), header.as_array().at(1).as_string());
  } catch (const std::exception&) {
    throw cli::Failure(cli::Exit::failed, "the daemon's reply has no headers",
                       "compare versions with `holdfast version`");
  }
  return out;
}

class ServiceSource final : public Source {
 public:
  ServiceSource(const Request& request, AskDaemon ask, const Clock& clock)
      : request_(request), ask_(std::move(ask)), send_(make_send(request.ca_file)), clock_(clock) {}

  Credentials fetch(SteadyTime deadline) override {
    return run(exchange(), send_, deadline, clock_);
  }

 private:
  Exchange exchange() const {
    switch (request_.way) {
      case Way::roles_anywhere:
        return {[this](auto time) { return create_session(time); }, parse_session, "Roles Anywhere",
                "do the trust anchor, the profile and the role's trust policy take the key's "
                "certificate?"};
      case Way::session_token:
        return sts(
            "GetSessionToken",
            [this](auto time) { return signed_form("GetSessionToken", {}, time); },
            "is the sealed key still one that AWS knows, and may it do this?");
      case Way::assume_role:
        return sts(
            "AssumeRole", [this](auto time) { return signed_form("AssumeRole", role(), time); },
            "does the role's trust policy name the key's user, and may that user do this?");
      case Way::web_identity:
        return sts(
            "AssumeRoleWithWebIdentity", [this](auto) { return web_identity(); },
            "does IAM's identity provider have the token's issuer, audience and keys, and "
            "the role's trust policy its subject?");
    }
    return {};
  }

  static Exchange sts(const std::string& action,
                      std::function<HttpRequest(std::optional<SystemTime>)> make,
                      std::string advice) {
    return {std::move(make),
            [action](SecretText& body, SystemTime now) { return parse_sts(body, action, now); },
            "STS", std::move(advice)};
  }

  HttpRequest create_session(std::optional<SystemTime> time) const {
    json::object body{{"key", request_.key},
                      {"region", request_.region},
                      {"role_arn", request_.role_arn},
                      {"profile_arn", request_.profile_arn},
                      {"trust_anchor_arn", request_.trust_anchor_arn},
                      {"duration_seconds", request_.duration.count()}};
    if (!request_.session_name.empty()) body["session_name"] = request_.session_name;
    if (!request_.endpoint.empty()) body["endpoint"] = request_.endpoint;
    if (time) body["time"] = to_rfc3339(*time);
    const json::object reply = ask_("/v1/sign/roles-anywhere", body);
    const std::string text = text_of(reply, "body");
    return {text_of(reply, "method"),
            text_of(reply, "url"),
            headers_of(reply),
            {text.begin(), text.end()}};
  }

  Form role() const {
    return {{"RoleArn", request_.role_arn}, {"RoleSessionName", request_.session_name}};
  }

  HttpRequest form_post(const char* action, Form form) const {
    form.insert(form.begin(), {{"Action", action},
                               {"Version", kVersion},
                               {"DurationSeconds", std::to_string(request_.duration.count())}});
    return {"POST", request_.endpoint + "/", {{"Content-Type", kFormType}}, encode(form)};
  }

  HttpRequest signed_form(const char* action, Form more, std::optional<SystemTime> time) const {
    HttpRequest out = form_post(action, more);
    const std::string_view text(out.body.data(), out.body.size());
    // Braces around it would make a list of a list, or not (CWG 2137).
    json::array headers;
    headers.push_back(json::array{"Content-Type", kFormType});
    // The body itself and no digest of it, so that policy sees the action.
    json::object body{{"key", request_.key},
                      {"region", request_.region},
                      {"service", "sts"},
                      {"method", out.method},
                      {"url", out.url},
                      {"headers", std::move(headers)},
                      {"body", to_base64(as_bytes(text))}};
    if (time) body["time"] = to_rfc3339(*time);
    for (auto& header : headers_of(ask_("/v1/sign/sigv4", body)))
      out.headers.push_back(std::move(header));
    return out;
  }

  HttpRequest web_identity() const {
    const json::object reply =
        ask_("/v1/token/jwt",
             {{"key", request_.key}, {"audience", request_.audience}, {"ttl", kTokenSeconds}});
    Form form = role();
    form.emplace_back("WebIdentityToken", text_of(reply, "token"));
    return form_post("AssumeRoleWithWebIdentity", std::move(form));
  }

  Request request_;
  AskDaemon ask_;
  Send send_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<Source> make_source(const Request& request, AskDaemon ask, const Clock& clock) {
  return std::make_unique<ServiceSource>(request, std::move(ask), clock);
}

}  // namespace holdfast::aws
