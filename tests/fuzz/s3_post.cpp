// What policy saw is what is signed: the policy document, read as JSON, gives the facts and the form.
#include <algorithm>
#include <utility>
#include <vector>

#include "daemon/base/openssl.h"
#include "daemon/format/s3_post.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

using format::S3PostBytes;
using format::S3PostRequest;
using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string text_of(const json::value& value) {
  return std::string(value.as_string());
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 32);
  return text;
}

// How the facts call a field of the form.
std::string called(const std::string& field) {
  const std::string name = lower(field);
  return name == "acl" ? "x-amz-acl" : name;
}

bool shows(const std::string& fact, const std::string& value) {
  return fact == value || fact == "sha256:" + sha256_hex(value);
}

struct Document {
  Pairs exact, begins;
  std::string most;  // of the length; empty where it is not bounded
};

Document read(const json::object& policy) {
  check(policy.size() == 2 && policy.contains("expiration"), "a document has two members");
  Document document;
  for (const json::value& condition : policy.at("conditions").as_array()) {
    if (condition.is_object()) {
      check(condition.as_object().size() == 1, "an exact condition is of one field");
      const auto& member = *condition.as_object().begin();
      document.exact.emplace_back(member.key(), text_of(member.value()));
      continue;
    }
    const json::array& list = condition.as_array();
    check(list.size() == 3, "a condition has three parts");
    if (list[0] == "content-length-range") {
      check(document.most.empty() && list[1].as_int64() >= 0 &&
                list[1].as_int64() <= list[2].as_int64(),
            "the range is one, and one");
      document.most = std::to_string(list[2].as_int64());
    } else {
      const std::string name = text_of(list[1]);
      check(list[0] == "starts-with" && name.size() > 1 && name[0] == '$',
            "there is no other condition");
      document.begins.emplace_back(name.substr(1), text_of(list[2]));
    }
  }
  return document;
}

// Takes the only one of that name out.
std::string take(Pairs& pairs, const std::string& name) {
  const auto at = std::ranges::find(pairs, name, &Pairs::value_type::first);
  check(at != pairs.end(), "the field is there");
  std::string value = at->second;
  pairs.erase(at);
  check(std::ranges::find(pairs, name, &Pairs::value_type::first) == pairs.end(), "and once");
  return value;
}

void judge_facts(const S3PostRequest& request, Document document) {
  const auto fact = [&](std::string_view name) {
    const std::string* value = request.facts().find(name);
    return value == nullptr ? std::string() : *value;
  };
  check(take(document.exact, "bucket") == fact("bucket"), "the bucket is the fact");
  const bool exact = request.facts().find("path") != nullptr;
  check(exact != (request.facts().find("path_prefix") != nullptr), "a path or a prefix");
  check("/" + take(exact ? document.exact : document.begins, "key") ==
            fact(exact ? "path" : "path_prefix"),
        "the object is the fact");
  check(document.most == fact("content_length_max"), "the length is the fact");
  check(fact("mode") == "post" && fact("method") == "POST" && fact("payload") == "unsigned",
        "what every form is");

  std::size_t of_the_caller = 0;
  for (const Fact& one : request.facts().all()) {
    const std::size_t dot = one.name.find('.');
    if (dot == std::string::npos) continue;
    ++of_the_caller;
    const Pairs& conditions =
        one.name.starts_with("starts_with.") ? document.begins : document.exact;
    check(std::ranges::count_if(conditions,
                                [&](const auto& condition) {
                                  return called(condition.first) == one.name.substr(dot + 1) &&
                                         shows(one.value, condition.second);
                                }) == 1,
          "a field that is a fact is a condition");
  }
  check(of_the_caller == document.exact.size() + document.begins.size(),
        "every condition on a field is a fact");
}

void judge(const S3PostRequest& request) {
  const S3PostBytes bytes = request.bytes("AKID");
  check(std::ranges::all_of(bytes.policy, [](char c) { return c >= ' ' && c < '\x7f'; }),
        "a document is ASCII");
  check(from_base64(bytes.string_to_sign) == Bytes(bytes.policy.begin(), bytes.policy.end()),
        "the document is what is signed");
  Document document = read(parse_json_object(bytes.policy));

  Pairs form;
  const json::object reply = request.reply(bytes, std::string(64, 'a'));
  std::size_t size = 0;
  for (const json::value& field : reply.at("fields").as_array()) {
    form.emplace_back(text_of(field.at(0)), text_of(field.at(1)));
    size += form.back().first.size() + form.back().second.size();
  }
  check(size <= 20 * 1024, "S3 takes the form");
  check(take(form, "policy") == bytes.string_to_sign, "the form has the document");
  check(take(form, "x-amz-signature") == std::string(64, 'a'), "the form has the signature");
  const std::string object = take(form, "key");
  Pairs wanted = document.exact;
  check(take(wanted, "bucket") == *request.facts().find("bucket"), "the bucket is in the url");
  if (request.facts().find("path") != nullptr)
    check(take(wanted, "key") == object, "the object is the one that is signed");
  else
    check("/" + object == *request.facts().find("path_prefix") + "${filename}",
          "the file's name comes behind the prefix");
  std::ranges::sort(form);
  std::ranges::sort(wanted);
  check(form == wanted, "the form has what the document wants, and no more");

  const std::string region = *request.facts().find("region");
  check(take(document.exact, "x-amz-algorithm") == "AWS4-HMAC-SHA256", "the algorithm is V4's");
  const std::string date = take(document.exact, "x-amz-date");
  check(bytes.scope == date.substr(0, 8) + "/" + region + "/s3/aws4_request",
        "the scope is the facts'");
  check(take(document.exact, "x-amz-credential") == "AKID/" + bytes.scope &&
            bytes.derivation.size() == 4 && as_text(bytes.derivation[1]) == region,
        "the key is the scope's");
  std::erase_if(document.exact,
                [](const auto& field) { return field.first == "x-amz-security-token"; });
  judge_facts(request, document);
}

}  // namespace
}  // namespace holdfast::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  static const SystemTime now = *from_rfc3339("2026-01-01T00:00:00Z");
  fuzz::answers({ErrorKind::invalid_request}, [&] {
    const json::object body = parse_json_object(as_text({data, size}));
    fuzz::judge(format::S3PostRequest::parse(body, now));
  });
  return 0;
}
