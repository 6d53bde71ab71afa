// The fields of a form that uploads to S3, and the conditions of its policy document.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/facts.h"
#include "daemon/base/json.h"

namespace holdfast::format {

struct FormField {
  std::string name;  // as the form has it
  std::string value;
};

struct FormConditions {
  std::vector<FormField> exact;        // of the form as they are
  std::vector<FormField> starts_with;  // whoever uploads gives them
};

// Reads `fields` and `starts_with`. Refuses what the daemon itself writes, what Signature Version 2
// reads, a field given twice (S3 is blind to case, and acl is x-amz-acl), a control character, and
// ${filename}.
FormConditions read_conditions(Fields& fields);

// header.NAME where S3 reads the field as that header, field.NAME else, starts_with.NAME where only
// the beginning is said.
void add_facts(const FormConditions& conditions, Facts& facts);

// S3 puts the name of the uploaded file for it, in every field of the form.
inline constexpr std::string_view kFilename = "${filename}";
bool holds_filename(std::string_view text);  // in any case of its letters
bool holds_control(std::string_view text);

// {"name":"value"} and ["starts-with","$name","prefix"] in ASCII.
std::string exact_condition(std::string_view name, std::string_view value);
std::string starts_with_condition(std::string_view name, std::string_view prefix);
// A JSON string. S3 has "$" and all beyond ASCII escaped ("Character Escaping"): it writes \$, which
// is no JSON (RFC 8259 §7); \u0024 is the same to S3, and to every other reader.
std::string policy_text(std::string_view text);

}  // namespace holdfast::format
