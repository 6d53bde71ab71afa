// What policy saw is what is signed: the canonical request, taken apart by a reader of its own, gives the
// facts, and so do the url and headers of the reply.
#include <algorithm>
#include <utility>
#include <vector>

#include "daemon/base/openssl.h"
#include "daemon/format/sigv4.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

using format::Sigv4Bytes;
using format::Sigv4Request;
using Pairs = std::vector<std::pair<std::string, std::string>>;
using Strings = std::vector<std::string>;

Strings split(std::string_view text, char separator) {
  Strings parts{""};
  for (const char c : text)
    if (c == separator)
      parts.emplace_back();
    else
      parts.back().push_back(c);
  return parts;
}

int hex(char c) {
  return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '%') {
      check(i + 2 < text.size(), "an escape is whole");
      result.push_back(static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])));
      i += 2;
    } else {
      result.push_back(text[i]);
    }
  return result;
}

Pairs parameters(std::string_view query) {
  Pairs pairs;
  if (query.empty()) return pairs;
  for (const std::string& one : split(query, '&')) {
    const std::size_t equals = std::min(one.find('='), one.size());
    pairs.emplace_back(decoded(one.substr(0, equals)),
                       decoded(std::string_view(one).substr(std::min(equals + 1, one.size()))));
  }
  std::ranges::sort(pairs);
  return pairs;
}

Strings values(const Sigv4Request& request, std::string_view name) {
  Strings found;
  for (const Fact& fact : request.facts().all())
    if (fact.name == name) found.push_back(fact.value);
  return found;
}

std::string the(const Sigv4Request& request, std::string_view name) {
  const Strings found = values(request, name);
  check(found.size() == 1, "the fact stands once");
  return found.front();
}

bool shows(const std::string& fact, const std::string& value) {
  return fact == value || fact == "sha256:" + sha256_hex(value);
}

bool is_presigning(const std::string& name) {
  static constexpr std::string_view own[] = {
      "X-Amz-Algorithm",     "X-Amz-Credential",     "X-Amz-Date",      "X-Amz-Expires",
      "X-Amz-SignedHeaders", "X-Amz-Security-Token", "X-Amz-Region-Set"};
  return std::ranges::find(own, name) != std::end(own);
}

void judge_query(const Sigv4Request& request, const Pairs& query, bool presigned) {
  Pairs own;
  std::size_t of_the_caller = 0;
  for (const auto& [name, value] : query) {
    if (presigned && is_presigning(name)) {
      own.emplace_back(name, value);
      continue;
    }
    ++of_the_caller;
    check(std::ranges::any_of(values(request, "query." + name),
                              [&](const std::string& fact) { return shows(fact, value); }),
          "a parameter that is signed is a fact");
  }
  std::size_t facts = 0;
  for (const Fact& fact : request.facts().all()) facts += fact.name.starts_with("query.") ? 1 : 0;
  check(facts == of_the_caller, "every fact of the query is signed");
  if (!presigned) return;
  check(own.size() >= 5 && own.size() <= 7, "what makes a presigned URL stands there once");
  for (const auto& [name, value] : own)
    if (name == "X-Amz-Expires")
      check(value == the(request, "expires_in"), "the expiry is the fact");
}

void judge_headers(const Sigv4Request& request, const Strings& lines, std::size_t& line) {
  std::string names;
  for (line = 3; line < lines.size() && !lines[line].empty(); ++line) {
    const std::size_t colon = lines[line].find(':');
    check(colon != std::string::npos && colon > 0, "a header line has a name");
    const std::string name = lines[line].substr(0, colon), value = lines[line].substr(colon + 1);
    check(names.empty() || split(names, ';').back() < name, "names ascend");
    names += (names.empty() ? "" : ";") + name;
    const Strings facts = values(request, "header." + name);
    if (name == "host")
      check(the(request, "host").size() == value.size(), "the host is the fact");
    else if (name == "x-amz-date" || name == "x-amz-security-token" || name == "x-amz-region-set")
      check(facts.empty(), "what the signature brings is no fact");
    else if (name != "x-amz-content-sha256" || !facts.empty())
      check(!facts.empty() && shows(facts.back(), value), "a header that is signed is a fact");
  }
  check(line + 3 == lines.size(), "after the headers their names and the payload");
  check(lines[line + 1] == names, "the names are those of the headers");
  for (const Fact& fact : request.facts().all()) {
    if (!fact.name.starts_with("header.")) continue;
    const std::string name = fact.name.substr(7);
    const Strings all = split(names, ';');
    const bool from_query = std::ranges::any_of(request.facts().all(), [&](const Fact& other) {
      return other.name.size() == name.size() + 6 && other.name.starts_with("query.") &&
             std::ranges::equal(other.name.substr(6), name, {}, [](char c) {
               return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 32) : c;
             });
    });
    check(from_query || std::ranges::find(all, name) != all.end(),
          "a header that is a fact is signed");
  }
}

void judge_reply(const Sigv4Request& request, const Sigv4Bytes& bytes, const Pairs& query,
                 bool presigned) {
  const json::object reply = request.reply(bytes, std::string(64, 'a'));
  const std::string url(reply.at("url").as_string());
  if (presigned) {
    const std::size_t question = url.find('?');
    Pairs sent = parameters(std::string_view(url).substr(question + 1));
    const auto own = std::ranges::find(sent, "X-Amz-Signature", &Pairs::value_type::first);
    check(own != sent.end(), "the signature is in the url");
    sent.erase(own);
    check(sent == query, "the url's query is the one that is signed");
  } else {
    check(reply.at("headers").as_array().at(0).as_array().at(1).as_string() ==
              std::string(request.is_asymmetric() ? "AWS4-ECDSA-P256-SHA256" : "AWS4-HMAC-SHA256") +
                  " Credential=" + bytes.credential +
                  ", SignedHeaders=" + std::string(reply.at("signed_headers").as_string()) +
                  ", Signature=" + std::string(64, 'a'),
          "Authorization has its form");
  }
}

void judge(const json::object& body, const Sigv4Request& request) {
  const Sigv4Bytes bytes = request.bytes("AKID");
  const std::string& text = bytes.canonical_request;
  check(text.find_first_of(std::string_view("\r\0", 2)) == std::string::npos,
        "no CR and no NUL is signed");
  const Strings lines = split(text, '\n');
  check(lines.size() >= 7, "a canonical request has its lines");
  check(lines[0] == the(request, "method"), "the method is the fact");

  const bool asymmetric = body.contains("region_set");
  check(request.is_asymmetric() == asymmetric, "a set of regions makes it SigV4A");
  const std::string service = the(request, "service");
  std::string region;
  for (const std::string& one : values(request, "region"))
    region += (region.empty() ? "" : ",") + one;
  const bool is_s3 = service == "s3" || service == "s3-object-lambda" || service == "s3-outposts" ||
                     service == "s3express";
  const bool twice = body.contains("double_encode") ? body.at("double_encode").as_bool() : !is_s3;
  std::string path = decoded(lines[1]);
  if (twice) path = decoded(path);
  check(path == the(request, "path"), "the path is the fact");

  const bool presigned = the(request, "mode") == "query";
  const Pairs query = parameters(lines[2]);
  judge_query(request, query, presigned);
  std::size_t line = 0;
  judge_headers(request, lines, line);
  if (asymmetric)
    check(presigned ? std::ranges::count(query, Pairs::value_type("X-Amz-Region-Set", region)) == 1
                    : std::ranges::count(lines, "x-amz-region-set:" + region) == 1,
          "the set of regions is signed, once");
  const std::string payload = the(request, "payload");
  check((payload == "unsigned") == (lines[line + 2] == "UNSIGNED-PAYLOAD"),
        "an unsigned payload is called that");
  check((payload == "streaming") == lines[line + 2].starts_with("STREAMING-"),
        "a streaming payload is called that");
  if (body.contains("body")) {
    const auto given = from_base64(std::string(body.at("body").as_string()));
    check(given && lines[line + 2] == sha256_hex(as_text(*given)), "the body's hash is signed");
  }

  const Strings to_sign = split(bytes.string_to_sign, '\n');
  check(to_sign.size() == 4 &&
            to_sign[0] == (asymmetric ? "AWS4-ECDSA-P256-SHA256" : "AWS4-HMAC-SHA256") &&
            to_sign[2] == bytes.scope && to_sign[3] == sha256_hex(text),
        "the string to sign has its form");
  check(bytes.scope == to_sign[1].substr(0, 8) + (asymmetric ? "" : "/" + region) + "/" + service +
                           "/aws4_request",
        "the scope is the facts'");
  check(asymmetric ? bytes.derivation.empty()
                   : bytes.derivation.size() == 4 && as_text(bytes.derivation[1]) == region &&
                         as_text(bytes.derivation[2]) == service,
        "the key is the scope's");
  judge_reply(request, bytes, query, presigned);
}

}  // namespace
}  // namespace holdfast::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  static const SystemTime now = *from_rfc3339("2026-01-01T00:00:00Z");
  fuzz::answers({ErrorKind::invalid_request}, [&] {
    const json::object body = parse_json_object(as_text({data, size}));
    fuzz::judge(body, format::Sigv4Request::parse(body, now));
  });
  return 0;
}
