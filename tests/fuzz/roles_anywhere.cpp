// What policy saw is what is signed: url, headers and body of the reply, read by another reader, give the
// facts, and what is signed is made of nothing else.
#include <algorithm>

#include "daemon/base/openssl.h"
#include "daemon/format/roles_anywhere.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

using format::RolesAnywhereRequest;

std::string the(const RolesAnywhereRequest& request, std::string_view name) {
  std::string value;
  int found = 0;
  for (const Fact& fact : request.facts().all())
    if (fact.name == name) {
      value = fact.value;
      ++found;
    }
  check(found <= 1, "a fact stands once");
  return value;
}

// Everything but letters, digits and -_.~ as %XX.
std::string encoded(std::string_view text) {
  std::string made;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-_.~").find(c) != std::string_view::npos;
    if (plain)
      made += c;
    else
      made += "%" + std::string(1, "0123456789ABCDEF"[static_cast<unsigned char>(c) >> 4]) +
              std::string(1, "0123456789ABCDEF"[static_cast<unsigned char>(c) & 15]);
  }
  return made;
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 32);
  return text;
}

void judge(const RolesAnywhereRequest& request) {
  const format::CertificateHolder holder{Algorithm::es256, "42", {{1, 2}, {3}}};
  const auto bytes = request.bytes(holder);
  const json::object reply = request.reply(bytes, Bytes{0xAB});
  const std::string url(reply.at("url").as_string()), body(reply.at("body").as_string());
  const std::string query = "profileArn=" + encoded(the(request, "profile")) +
                            "&roleArn=" + encoded(the(request, "role")) +
                            "&trustAnchorArn=" + encoded(the(request, "trust_anchor"));
  const std::string host = the(request, "host"), region = the(request, "region");
  const std::size_t path = url.find("/sessions?");
  check(url.starts_with("https://") && path != std::string::npos && url.substr(path + 10) == query,
        "the url is the facts'");
  std::string sent_host = lower(url.substr(8, path - 8));
  if (sent_host.ends_with(":443")) sent_host.resize(sent_host.size() - 4);
  check(sent_host == host, "the host that is sent to is the fact");

  const json::object session = parse_json_object(body);
  check(std::to_string(session.at("durationSeconds").as_int64()) == the(request, "duration"),
        "the duration is the fact");
  const std::string name = the(request, "session_name");
  check(session.size() == (name.empty() ? 1U : 2U) &&
            (name.empty() || session.at("roleSessionName").as_string() == name),
        "the session's name is the fact");
  check(the(request, "service") == "rolesanywhere" && the(request, "action") == "CreateSession" &&
            request.facts().all().size() == (name.empty() ? 8U : 9U),
        "the facts are these and no others");

  std::string date;
  for (const json::value& header : reply.at("headers").as_array())
    if (header.as_array().at(0).as_string() == "X-Amz-Date")
      date = std::string(header.as_array().at(1).as_string());
  const std::size_t at = bytes.canonical_request.find("\nhost:") + 6;
  const std::string spelt =
      bytes.canonical_request.substr(at, bytes.canonical_request.find('\n', at) - at);
  check(lower(spelt) == host, "the host that is signed is the fact");
  check(bytes.canonical_request ==
            "POST\n/sessions\n" + query + "\ncontent-type:application/json\nhost:" + spelt +
                "\nx-amz-date:" + date +
                "\nx-amz-x509:AQI=\nx-amz-x509-chain:Aw==\n\n"
                "content-type;host;x-amz-date;x-amz-x509;x-amz-x509-chain\n" +
                sha256_hex(body),
        "what is signed is what is sent");
  check(bytes.string_to_sign == "AWS4-X509-ECDSA-SHA256\n" + date + "\n" + date.substr(0, 8) + "/" +
                                    region + "/rolesanywhere/aws4_request\n" +
                                    sha256_hex(bytes.canonical_request),
        "the string to sign has its form");
}

}  // namespace
}  // namespace holdfast::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  static const SystemTime now = *from_rfc3339("2026-01-01T00:00:00Z");
  fuzz::answers({ErrorKind::invalid_request}, [&] {
    const json::object body = parse_json_object(as_text({data, size}));
    fuzz::judge(format::RolesAnywhereRequest::parse(body, now));
  });
  return 0;
}
