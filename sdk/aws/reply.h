// What AWS answers, read strictly: every field is there and is what it should be, or an error names
// it.
#pragma once

#include <string>
#include <string_view>

#include "sdk/aws/credentials.h"
#include "sdk/aws/http.h"

namespace holdfast::aws {

// The XML of STS's `action`; the text is cut up where it lies. Throws NoReply.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html
Credentials parse_sts(SecretText& body, const std::string& action, SystemTime now);

// The JSON of Roles Anywhere's CreateSession. Throws NoReply.
// https://docs.aws.amazon.com/rolesanywhere/latest/userguide/authentication-create-session.html
Credentials parse_session(const SecretText& body, SystemTime now);

// Why AWS did not give any: STS's ErrorResponse, or the service's JSON. Texts are empty where the
// body says nothing.
struct Refusal {
  long status = 0;
  std::string code, message;

  // Another try may do better: 5xx, and throttling whatever its status.
  bool passing() const;
  // The signature's time is not the service's.
  bool of_time() const;
  std::string text() const;
};
Refusal parse_refusal(const HttpReply& reply);

}  // namespace holdfast::aws
