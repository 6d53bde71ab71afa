// ~/.aws/credentials and ~/.aws/config, line by line.
// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace holdfast::cli {

struct AwsLine {
  std::string_view whole;    // with its newline
  std::string_view profile;  // the section it stands in
  std::string name;          // lower case; empty for headings, comments and blank lines
  std::string_view value;
  bool heading = false;
  bool continued = false;  // indented: part of the value above
};

// As botocore's reader (Python's configparser) sees the file.
void each_line(std::string_view text, const std::function<void(const AwsLine&)>& visit);

// The value of the environment's `variable`, else ~/.aws/NAME. Throws Failure where there is no home.
std::string aws_path(const char* variable, const char* name);

}  // namespace holdfast::cli
