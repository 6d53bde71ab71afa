#include "daemon/format/s3_post.h"

#include "daemon/base/bytes.h"

namespace holdfast::format {

std::vector<FormField> S3PostRequest::signing_fields(const std::string& credential) const {
  std::vector<FormField> fields{{"x-amz-algorithm", std::string(kSigv4Algorithm)},
                                {"x-amz-credential", credential},
                                {"x-amz-date", time_}};
  if (!session_token_.empty()) fields.push_back({"x-amz-security-token", session_token_});
  return fields;
}

S3PostBytes S3PostRequest::bytes(const std::string& access_key_id) const {
  S3PostBytes bytes{sigv4_scope(time_, region_, "s3", access_key_id), {}};
  bytes.policy = R"({"expiration":")" + expiration_ + R"(","conditions":[)" + conditions_;
  for (const auto& [name, value] : signing_fields(bytes.credential))
    bytes.policy.append(exact_condition(name, value)).append(",");
  bytes.policy.pop_back();
  bytes.policy.append("]}");
  bytes.string_to_sign = to_base64(as_bytes(bytes.policy));
  return bytes;
}

std::vector<FormField> S3PostRequest::form(const S3PostBytes& bytes,
                                           const std::string& signature_hex) const {
  std::vector<FormField> form{{"key", object_}};
  form.insert(form.end(), exact_.begin(), exact_.end());
  for (FormField& field : signing_fields(bytes.credential)) form.push_back(std::move(field));
  form.push_back({"policy", bytes.string_to_sign});
  form.push_back({"x-amz-signature", signature_hex});
  return form;
}

json::object S3PostRequest::reply(const S3PostBytes& bytes,
                                  const std::string& signature_hex) const {
  json::array fields;
  for (const auto& [name, value] : form(bytes, signature_hex))
    fields.push_back(json::array{name, value});
  json::object reply{{"url", url_}, {"fields", std::move(fields)}, {"signature", signature_hex}};
  if (explain_) reply["policy_document"] = bytes.policy;
  return reply;
}

}  // namespace holdfast::format
