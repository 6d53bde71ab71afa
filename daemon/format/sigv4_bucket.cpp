#include "daemon/format/sigv4_bucket.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace holdfast::format {
namespace {

constexpr std::array<std::string_view, 3> kSuffixes = {".amazonaws.com", ".amazonaws.com.cn",
                                                       ".amazonaws.eu"};

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// eu-west-1, us-gov-east-1
bool is_region(std::string_view label) {
  const std::size_t last = label.rfind('-');
  return last != std::string_view::npos && is_digits(label.substr(last + 1)) &&
         label.find('-') < last && std::ranges::all_of(label.substr(0, last), [](char c) {
           return (c >= 'a' && c <= 'z') || c == '-';
         });
}

bool is_address(std::string_view host) {
  return host.starts_with('[') ||
         std::ranges::all_of(host, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

// Takes the last label off.
std::string_view pop(std::string_view& labels) {
  const std::size_t dot = labels.rfind('.');
  const std::string_view label = labels.substr(dot == std::string_view::npos ? 0 : dot + 1);
  labels = labels.substr(0, dot == std::string_view::npos ? 0 : dot);
  return label;
}

// The labels before S3's own, which may be none; nullopt if these are not S3's.
// https://docs.aws.amazon.com/general/latest/gr/s3.html
std::optional<std::string_view> before_endpoint(std::string_view labels) {
  std::string_view label = pop(labels);
  if (label == "dualstack" && pop(labels) == "s3-accelerate") return labels;
  if (label == "s3" || label == "s3-accelerate" || label == "s3-external-1") return labels;
  if (label.starts_with("s3-") && is_region(label.substr(3))) return labels;
  if (!is_region(label)) return std::nullopt;
  label = pop(labels);
  if (label.starts_with("s3express-")) return labels;
  if (label == "dualstack") label = pop(labels);
  if (label == "s3" || label == "s3-fips") return labels;
  return std::nullopt;
}

std::optional<std::string> first_segment(std::string_view path) {
  path.remove_prefix(1);
  const std::string_view segment = path.substr(0, path.find('/'));
  return segment.empty() ? std::nullopt : std::optional(std::string(segment));
}

}  // namespace

std::optional<std::string> bucket_of(std::string_view host, std::string_view path) {
  const std::size_t colon = host.find(':', host.starts_with('[') ? host.find(']') : 0);
  host = host.substr(0, colon);
  if (is_address(host) || host == "localhost") return first_segment(path);
  for (const std::string_view suffix : kSuffixes) {
    if (!host.ends_with(suffix)) continue;
    const auto bucket = before_endpoint(host.substr(0, host.size() - suffix.size()));
    if (!bucket) return std::nullopt;
    return bucket->empty() ? first_segment(path) : std::optional(std::string(*bucket));
  }
  return std::nullopt;
}

std::string bucket_url(std::string_view bucket, std::string_view region) {
  const std::string_view suffix = region.starts_with("cn-")     ? kSuffixes[1]
                                  : region.starts_with("eusc-") ? kSuffixes[2]
                                                                : kSuffixes[0];
  std::string endpoint = "s3.";
  endpoint.append(region).append(suffix).append("/");
  return bucket.find('.') == std::string_view::npos
             ? "https://" + std::string(bucket) + "." + endpoint
             : "https://" + endpoint + std::string(bucket);
}

}  // namespace holdfast::format
