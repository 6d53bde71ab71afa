#include "sdk/aws/reply.h"

#include <algorithm>
#include <array>
#include <pugixml.hpp>

#include "daemon/base/error.h"

namespace holdfast::aws {
namespace {

constexpr std::size_t kMaxId = 128;
constexpr std::size_t kMaxSecret = 256;
constexpr std::size_t kMaxToken = 16 * 1024;
constexpr std::size_t kMaxSession = 64 * 1024;  // it is parsed in locked memory, which is scarce
constexpr std::size_t kMaxMessage = 1024;

[[noreturn]] void malformed(const std::string& complaint) {
  throw NoReply("the reply of AWS is not whole: " + complaint, "try again later", true);
}

// What goes into JSON and headers unchanged.
void check_value(std::string_view name, std::string_view value, std::size_t limit) {
  if (value.empty()) malformed(std::string(name) + " is missing or empty");
  if (value.size() > limit || !std::all_of(value.begin(), value.end(), [](unsigned char c) {
        return c > ' ' && c < 0x7F && c != '"' && c != '\\';
      }))
    malformed(std::string(name) + " is too long, or holds a character that has no place in it");
}

// RFC 3339 in UTC; STS may give a fraction, which is dropped.
SystemTime expiration_of(std::string_view name, std::string_view value, SystemTime now) {
  std::string text(value);
  if (const auto dot = text.find('.'); dot != std::string::npos)
    text.erase(dot, std::min(text.find_first_not_of("0123456789", dot + 1), text.size()) - dot);
  const auto time = from_rfc3339(text);
  if (!time) malformed(std::string(name) + " is no time");
  if (*time <= now)
    throw NoReply("the credentials of AWS have expired already, at " + text,
                  "is this machine's clock right?", false);
  return *time;
}

std::string_view local_name(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  return name.substr(name.find(':') == std::string_view::npos ? 0 : name.find(':') + 1);
}

pugi::xml_node only_child(const pugi::xml_node& parent, std::string_view name) {
  pugi::xml_node found;
  for (const pugi::xml_node& node : parent.children()) {
    if (local_name(node) != name) continue;
    if (found) malformed(std::string(name) + " is there twice");
    found = node;
  }
  if (!found) malformed(std::string(name) + " is missing or empty");
  return found;
}

Credentials make(std::string_view id, std::string_view secret, std::string_view token,
                 SystemTime expiration, SystemTime now) {
  return {std::string(id), Secret(as_bytes(secret)), Secret(as_bytes(token)), expiration, now};
}

std::string text_field(const json::value& value, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const auto* field = value.as_object().if_contains(name); field && field->is_string())
      return std::string(field->get_string());
  return {};
}

bool any_of(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
    return text.find(part) != std::string_view::npos;
  });
}

}  // namespace

Credentials parse_sts(SecretText& body, const std::string& action, SystemTime now) {
  pugi::xml_document document;
  const auto parsed = document.load_buffer_inplace(body.data(), body.size());
  if (!parsed) malformed(std::string("no XML: ") + parsed.description());
  const auto credentials = only_child(
      only_child(only_child(document, action + "Response"), action + "Result"), "Credentials");
  const auto value = [&](const char* name, std::size_t limit) {
    const std::string_view text = only_child(credentials, name).text().get();
    check_value(name, text, limit);
    return text;
  };
  const auto id = value("AccessKeyId", kMaxId);
  const auto secret = value("SecretAccessKey", kMaxSecret);
  const auto token = value("SessionToken", kMaxToken);
  return make(id, secret, token, expiration_of("Expiration", value("Expiration", 64), now), now);
}

Credentials parse_session(const SecretText& body, SystemTime now) {
  if (body.size() > kMaxSession) malformed("it is larger than 64 KiB");
  json::object reply;
  try {
    reply = parse_secret_json_object({body.data(), body.size()});
  } catch (const Error& error) {
    malformed(error.detail());
  }
  const auto* set = reply.if_contains("credentialSet");
  if (!set || !set->is_array() || set->get_array().empty() || !set->get_array()[0].is_object())
    malformed("credentialSet is missing or empty");
  const auto* credentials = set->get_array()[0].get_object().if_contains("credentials");
  if (!credentials || !credentials->is_object()) malformed("credentials is missing");
  const auto value = [&](const char* name, std::size_t limit) {
    const auto* field = credentials->get_object().if_contains(name);
    const std::string_view text =
        field && field->is_string() ? std::string_view(field->get_string()) : std::string_view{};
    check_value(name, text, limit);
    return text;
  };
  const auto id = value("accessKeyId", kMaxId);
  const auto secret = value("secretAccessKey", kMaxSecret);
  const auto token = value("sessionToken", kMaxToken);
  return make(id, secret, token, expiration_of("expiration", value("expiration", 64), now), now);
}

bool Refusal::passing() const {
  return status >= 500 || status == 429 ||
         any_of(code,
                {"Throttl", "TooManyRequests", "RequestLimitExceeded", "IDPCommunicationError"});
}

bool Refusal::of_time() const {
  if (any_of(code, {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})) return true;
  return any_of(code, {"SignatureDoesNotMatch", "InvalidSignature", "AccessDenied"}) &&
         any_of(message, {"Signature expired", "Signature not yet current", "is now earlier than",
                          "is still later than"});
}

std::string Refusal::text() const {
  std::string out = code.empty() ? "no reason given" : code;
  if (!message.empty()) out += ": " + message;
  return out + " (HTTP status " + std::to_string(status) + ")";
}

Refusal parse_refusal(const HttpReply& reply) {
  Refusal refusal{reply.status, reply.error_type.substr(0, reply.error_type.find(':')), {}};
  boost::system::error_code no_json;
  const json::value value = json::parse(reply.text(), no_json);
  if (!no_json && value.is_object()) {
    refusal.message = text_field(value, {"message", "Message"});
    if (refusal.code.empty()) refusal.code = text_field(value, {"__type", "code"});
  } else {
    pugi::xml_document document;
    document.load_buffer(reply.body.data(), reply.body.size());
    for (const pugi::xml_node& root : document.children())
      for (const pugi::xml_node& error : root.children())
        if (local_name(error) == "Error")
          for (const pugi::xml_node& field : error.children()) {
            if (local_name(field) == "Code") refusal.code = field.text().get();
            if (local_name(field) == "Message") refusal.message = field.text().get();
          }
  }
  refusal.message.resize(std::min(refusal.message.size(), kMaxMessage));
  return refusal;
}

}  // namespace holdfast::aws
