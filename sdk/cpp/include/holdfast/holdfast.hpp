// A blocking C++20 client of the Holdfast daemon, over libholdfast (holdfast.h has the rules for threads, fork,
// signals and limits, and what each field means; docs/sdk.md shows its use). Header-only.
//
// Errors are exceptions: holdfast::error, and std::bad_alloc. An empty text, list or optional is left out of the
// request. What a reply holds is copied, and the caller's to keep or to zero.
#pragma once

#include <holdfast/holdfast.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast {

// what() is the detail: for people, without secrets.
class error : public std::runtime_error {
 public:
  error(holdfast_code code, const std::string& detail)
      : std::runtime_error(detail), code_(code), code_text_(holdfast_code_name(code)) {}
  explicit error(const holdfast_error* of)
      : std::runtime_error(holdfast_error_detail(of)),
        code_(holdfast_error_code(of)),
        code_text_(holdfast_error_code_text(of)),
        status_(holdfast_error_status(of)),
        request_id_(holdfast_error_request_id(of)),
        retry_after_(holdfast_error_retry_after(of)) {}

  holdfast_code code() const noexcept { return code_; }
  const std::string& code_text() const noexcept { return code_text_; }
  // 0 where there was no reply.
  int status() const noexcept { return status_; }
  const std::string& request_id() const noexcept { return request_id_; }
  // 0 where asking again will not help by itself.
  std::chrono::seconds retry_after() const noexcept { return retry_after_; }

 private:
  holdfast_code code_;
  std::string code_text_;
  int status_ = 0;
  std::string request_id_;
  std::chrono::seconds retry_after_{0};
};

struct options {
  std::string socket = {};  // empty: searched for
  bool admin = false;
  std::chrono::milliseconds timeout{30000};
  std::chrono::milliseconds connect_patience{0};
};

struct reply {
  int status = 0;
  std::string body = {};
  std::string request_id = {};
};

using header = std::pair<std::string, std::string>;

struct sigv4_request {
  std::string key = {};
  std::string region = {};
  std::string service = {};
  std::string method = "GET";
  std::string url = {};
  std::vector<header> headers = {};
  std::string payload_sha256 = {};
  std::optional<std::string> body = {};  // bytes; there and empty is not the same as not there
  std::optional<std::chrono::seconds> presign = {};  // mode `query`, with this `expires_in`
  std::string session_token = {};
  std::string time = {};
  std::vector<std::string> sign_headers = {};
  std::optional<bool> normalize_path = {};
  std::optional<bool> double_encode = {};
  std::optional<bool> content_sha256_header = {};
  bool explain = false;
  std::vector<std::string> region_set = {};  // instead of region: SigV4A
};

struct sigv4_reply {
  std::vector<header> headers = {};
  std::string url = {};
  std::string signature = {};
  std::string signed_headers = {};
  std::string canonical_request = {};
  std::string string_to_sign = {};
  std::int64_t audit_seq = 0;
  std::string request_id = {};
};

struct jwt_request {
  std::string key = {};
  std::vector<std::string> audiences = {};
  std::chrono::seconds ttl{0};
  std::string issuer = {};
  std::string subject = {};
  std::string claims = {};  // the text of a JSON object
  std::string typ = {};
  std::string algorithm = {};
  bool audience_list = false;
};

struct jwt_reply {
  std::string token = {};
  std::string expires_at = {};
  std::string jti = {};
  std::string kid = {};
  std::int64_t audit_seq = 0;
  std::string request_id = {};
};

struct digest_request {
  std::string key = {};
  std::string algorithm = {};
  std::string digest = {};  // bytes
  std::string encoding = {};
};

struct digest_reply {
  std::string signature = {};  // bytes
  std::int64_t audit_seq = 0;
  std::string request_id = {};
};

// What this header and asio.hpp share; not for programs.
namespace detail {

struct deleter {
  void operator()(holdfast_client* value) const noexcept { holdfast_client_free(value); }
  void operator()(holdfast_error* value) const noexcept { holdfast_error_free(value); }
  void operator()(holdfast_reply* value) const noexcept { holdfast_reply_free(value); }
  void operator()(holdfast_sigv4_reply* value) const noexcept { holdfast_sigv4_reply_free(value); }
  void operator()(holdfast_jwt_reply* value) const noexcept { holdfast_jwt_reply_free(value); }
  void operator()(holdfast_digest_reply* value) const noexcept {
    holdfast_digest_reply_free(value);
  }
  void operator()(char* value) const noexcept { holdfast_text_free(value); }
};
template <class T>
using owned = std::unique_ptr<T, deleter>;

[[noreturn]] inline void raise(holdfast_error* made) {
  const owned<holdfast_error> held(made);
  if (holdfast_error_code(made) == HOLDFAST_OUT_OF_MEMORY) throw std::bad_alloc();
  throw error(made);
}

// call(&output, &error) of a C function, its output owned.
template <class T, class Call>
owned<T> checked(Call call) {
  T* output = nullptr;
  holdfast_error* failure = nullptr;
  const holdfast_code code = call(&output, &failure);
  owned<T> held(output);
  if (code != HOLDFAST_OK) raise(failure);
  return held;
}

inline const char* text(const std::string& value) {
  return value.empty() ? nullptr : value.c_str();
}
inline std::string copy(const char* value) {
  return value ? value : std::string();
}
inline holdfast_choice choice(std::optional<bool> value) {
  return !value ? HOLDFAST_DEFAULT : *value ? HOLDFAST_YES : HOLDFAST_NO;
}
inline std::uint32_t seconds(std::chrono::seconds value, const char* field) {
  if (value.count() < 0 || value.count() > UINT32_MAX)
    throw error(HOLDFAST_INVALID_ARGUMENT, std::string(field) + ": out of range");
  return static_cast<std::uint32_t>(value.count());
}
inline unsigned milliseconds(std::chrono::milliseconds value, const char* field) {
  if (value.count() < 0 || value.count() > UINT32_MAX)
    throw error(HOLDFAST_INVALID_ARGUMENT, std::string(field) + ": out of range");
  return static_cast<unsigned>(value.count());
}
inline std::vector<const char*> pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> list;
  for (const std::string& one : texts) list.push_back(one.c_str());
  return list;
}

// use(the C struct), which lives during the call.
template <class Use>
auto with(const options& given, Use use) {
  holdfast_options c = HOLDFAST_OPTIONS_INIT;
  c.socket = text(given.socket);
  c.admin = given.admin;
  c.timeout_ms = milliseconds(given.timeout, "timeout");
  c.connect_patience_ms = milliseconds(given.connect_patience, "connect_patience");
  return use(&c);
}

template <class Use>
auto with(const sigv4_request& given, Use use) {
  std::vector<holdfast_header> headers;
  for (const header& one : given.headers)
    headers.push_back({one.first.c_str(), one.second.c_str()});
  const std::vector<const char*> names = pointers(given.sign_headers);
  holdfast_sigv4_request c = HOLDFAST_SIGV4_REQUEST_INIT;
  c.key = given.key.c_str();
  c.region = text(given.region);
  const std::vector<const char*> regions = pointers(given.region_set);
  c.region_set = regions.data();
  c.region_set_count = regions.size();
  c.service = given.service.c_str();
  c.method = given.method.c_str();
  c.url = given.url.c_str();
  c.headers = headers.data();
  c.header_count = headers.size();
  c.payload_sha256 = text(given.payload_sha256);
  c.body = given.body ? given.body->data() : nullptr;
  c.body_size = given.body ? given.body->size() : 0;
  c.mode = given.presign ? HOLDFAST_SIGV4_QUERY : HOLDFAST_SIGV4_HEADER;
  c.expires_in = given.presign ? seconds(*given.presign, "presign") : 0;
  c.session_token = text(given.session_token);
  c.time = text(given.time);
  c.sign_headers = names.data();
  c.sign_header_count = names.size();
  c.normalize_path = choice(given.normalize_path);
  c.double_encode = choice(given.double_encode);
  c.content_sha256_header = choice(given.content_sha256_header);
  c.explain = given.explain;
  return use(&c);
}

template <class Use>
auto with(const jwt_request& given, Use use) {
  const std::vector<const char*> audiences = pointers(given.audiences);
  holdfast_jwt_request c = HOLDFAST_JWT_REQUEST_INIT;
  c.key = given.key.c_str();
  c.audiences = audiences.data();
  c.audience_count = audiences.size();
  c.audience_list = given.audience_list;
  c.ttl = seconds(given.ttl, "ttl");
  c.issuer = text(given.issuer);
  c.subject = text(given.subject);
  c.claims = text(given.claims);
  c.typ = text(given.typ);
  c.algorithm = text(given.algorithm);
  return use(&c);
}

template <class Use>
auto with(const digest_request& given, Use use) {
  holdfast_digest_request c = HOLDFAST_DIGEST_REQUEST_INIT;
  c.key = given.key.c_str();
  c.algorithm = given.algorithm.c_str();
  c.digest = given.digest.data();
  c.digest_size = given.digest.size();
  c.encoding = text(given.encoding);
  return use(&c);
}

inline reply take(const holdfast_reply& given) {
  return {given.status, std::string(given.body, given.body_size), given.request_id};
}
inline sigv4_reply take(const holdfast_sigv4_reply& given) {
  sigv4_reply taken{{},
                    given.url,
                    given.signature,
                    given.signed_headers,
                    copy(given.canonical_request),
                    copy(given.string_to_sign),
                    given.audit_seq,
                    given.request_id};
  for (std::size_t at = 0; at < given.header_count; ++at)
    taken.headers.emplace_back(given.headers[at].name, given.headers[at].value);
  return taken;
}
inline jwt_reply take(const holdfast_jwt_reply& given) {
  return {given.token, given.expires_at, given.jti, given.kid, given.audit_seq, given.request_id};
}
inline digest_reply take(const holdfast_digest_reply& given) {
  return {std::string(reinterpret_cast<const char*>(given.signature), given.signature_size),
          given.audit_seq, given.request_id};
}

inline std::string keys_target(unsigned limit, const std::string& after) {
  return "/v1/keys?limit=" + std::to_string(limit) + (after.empty() ? "" : "&after=" + after);
}
inline std::string jwks_target(const std::string& key) {
  return "/v1/jwks" + (key.empty() ? "" : "?key=" + key);
}

}  // namespace detail

// Any number of threads may use one at once. Move-only; one that was moved from can only be destroyed or assigned.
class client {
  // Before its users, because its result is deduced.
  template <class Reply, class Request, class Function>
  auto send(const Request& request, Function function) const {
    return detail::take(*detail::with(request, [&](const auto* c) {
      return detail::checked<Reply>(
          [&](auto output, auto failure) { return function(client_.get(), c, output, failure); });
    }));
  }

 public:
  // Connects to nothing yet.
  explicit client(const options& given = {})
      : client_(detail::with(given, [](const holdfast_options* c) {
          holdfast_error* failure = nullptr;
          holdfast_client* made = holdfast_client_new(c, &failure);
          if (!made) detail::raise(failure);
          return made;
        })) {}

  sigv4_reply sign(const sigv4_request& request) const {
    return send<holdfast_sigv4_reply>(request, holdfast_sign_sigv4);
  }
  jwt_reply mint(const jwt_request& request) const {
    return send<holdfast_jwt_reply>(request, holdfast_mint_jwt);
  }
  digest_reply sign(const digest_request& request) const {
    return send<holdfast_digest_reply>(request, holdfast_sign_digest);
  }

  // The replies' bodies are the JSON of sdk/API.md.
  reply version() const { return call("GET", "/v1/version"); }
  reply health() const { return call("GET", "/v1/health"); }
  reply whoami() const { return call("GET", "/v1/whoami"); }
  reply keys(unsigned limit = 100, const std::string& after = {}) const {
    return call("GET", detail::keys_target(limit, after));
  }
  reply key(const std::string& name) const { return call("GET", "/v1/keys/" + name); }
  reply jwks(const std::string& key = {}) const { return call("GET", detail::jwks_target(key)); }

  // `json_body`: empty means none.
  reply call(const std::string& method, const std::string& target,
             const std::string& json_body = {}) const {
    return detail::take(*detail::checked<holdfast_reply>([&](auto output, auto failure) {
      return holdfast_call(client_.get(), method.c_str(), target.c_str(), detail::text(json_body),
                           output, failure);
    }));
  }

 private:
  detail::owned<holdfast_client> client_;
};

}  // namespace holdfast
