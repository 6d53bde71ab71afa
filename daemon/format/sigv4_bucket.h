// Which bucket an S3 request speaks of, where that can be known.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdfast::format {

// `host` in lower case, with or without port; `path` as routed.
// AWS endpoints (*.amazonaws.com, .com.cn, .eu): the labels before the S3 endpoint
// (bucket.s3.region, also s3-region, dualstack, fips, accelerate, s3express), else the path's first
// segment. Access points, Object Lambda, Outposts and VPC endpoints: not known.
// An address or localhost: the path's first segment. Any other name: not known, because S3 itself
// takes a host that is not its own for a bucket's name, whatever the path says. nullopt also where
// the path names none (ListBuckets).
std::optional<std::string> bucket_of(std::string_view host, std::string_view path);

// Where AWS serves the bucket: below a name of its own, or, since no certificate covers one with a
// dot, in the path.
std::string bucket_url(std::string_view bucket, std::string_view region);

}  // namespace holdfast::format
