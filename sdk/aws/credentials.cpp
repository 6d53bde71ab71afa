#include "sdk/aws/credentials.h"

namespace holdfast::aws {
namespace {

constexpr std::size_t kMaxField = 16 * 1024;

class Writer {
 public:
  // `value` needs no escape: reply.cpp takes no other.
  Writer& field(std::string_view name, std::string_view value) {
    append(",\"");
    append(name);
    append("\":\"");
    append(value);
    append("\"");
    return *this;
  }
  void append(std::string_view text) { out_.insert(out_.end(), text.begin(), text.end()); }
  SecretText take() {
    append("}");
    return std::move(out_);
  }

 private:
  SecretText out_;
};

Writer write(const Credentials& credentials) {
  Writer out;
  out.append("{\"Version\":1");
  out.field("AccessKeyId", credentials.access_key_id)
      .field("SecretAccessKey", as_text(credentials.secret_access_key.view()))
      .field("SessionToken", as_text(credentials.session_token.view()))
      .field("Expiration", to_rfc3339(credentials.expiration));
  return out;
}

SystemTime take_time(Fields& fields, const char* name) {
  const auto time = from_rfc3339(fields.text(name, 64));
  if (!time) fields.fail(name, "is no time");
  return *time;
}

}  // namespace

SecretText to_process_json(const Credentials& credentials) {
  return write(credentials).take();
}

SecretText to_endpoint_json(const Credentials& credentials, const std::string& role_arn) {
  Writer out;
  out.append("{\"Code\":\"Success\"");
  out.field("Type", "AWS-HMAC").field("LastUpdated", to_rfc3339(credentials.obtained));
  if (!role_arn.empty()) out.field("RoleArn", role_arn);
  out.field("AccessKeyId", credentials.access_key_id)
      .field("SecretAccessKey", as_text(credentials.secret_access_key.view()))
      .field("Token", as_text(credentials.session_token.view()))
      .field("Expiration", to_rfc3339(credentials.expiration));
  return out.take();
}

SecretText to_cache_json(const Credentials& credentials) {
  return write(credentials).field("Obtained", to_rfc3339(credentials.obtained)).take();
}

Credentials from_cache_json(const SecretText& text) {
  const json::object object = parse_secret_json_object({text.data(), text.size()});
  Fields fields(object);
  if (fields.optional_integer("Version", 1, 1) != 1) fields.fail("Version", "is required");
  Credentials out;
  out.access_key_id = fields.text("AccessKeyId", kMaxField);
  out.secret_access_key = fields.secret("SecretAccessKey", kMaxField);
  out.session_token = fields.secret("SessionToken", kMaxField);
  out.expiration = take_time(fields, "Expiration");
  out.obtained = take_time(fields, "Obtained");
  fields.finish();
  return out;
}

}  // namespace holdfast::aws
