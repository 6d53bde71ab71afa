// What the tests of S3's forms share.
#pragma once

#include "daemon/format/s3_post.h"
#include "tests/unit/format/request.h"

namespace holdfast::format {

// A form for one object, with `changes` on top; a null takes a field away.
inline json::object s3_form(const json::object& changes = {}) {
  json::object body{{"key", "orders-aws"},
                    {"region", "eu-west-1"},
                    {"bucket", "orders-in"},
                    {"object", "user/17/photo.png"},
                    {"expires_in", 900}};
  for (const auto& [name, value] : changes)
    if (value.is_null())
      body.erase(name);
    else
      body[name] = value;
  return body;
}

inline S3PostRequest parse_form(const json::object& changes = {}) {
  return S3PostRequest::parse(s3_form(changes), kNow);
}

inline Strings facts_of(const S3PostRequest& request) {
  Strings lines;
  for (const Fact& fact : request.facts().all()) lines.push_back(fact.name + "=" + fact.value);
  return lines;
}

}  // namespace holdfast::format
