// An upload whose chunks are signed one after the other, each over the signature before it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/facts.h"
#include "daemon/base/json.h"
#include "daemon/format/sigv4_headers.h"
#include "daemon/format/sigv4_payload.h"

namespace holdfast::format {

// What the request that opens it announces of its chunks, and signs.
struct ChunksAhead {
  std::uint64_t bytes = 0;  // X-Amz-Decoded-Content-Length
  bool has_trailer = false;
  std::vector<std::string> trailer;  // names, sorted (X-Amz-Trailer)
};

// nullopt unless the payload has signed chunks. Throws through fields.fail() where a header that it needs is
// missing or malformed.
std::optional<ChunksAhead> read_chunks_ahead(const std::vector<Header>& headers,
                                             const Payload& payload, const Fields& fields);

// POST /v1/sign/sigv4/chunk: a chunk, or what comes behind the last one.
struct ChunkRequest {
  std::string session;
  bool is_trailer = false;
  std::string payload_hash;  // hex SHA-256
  std::uint64_t length = 0;  // 0 ends the data
  std::vector<Header> trailer;

  // Throws Error{invalid_request} that names the field.
  static ChunkRequest parse(const json::object& body);
};

// Where the upload is.
class ChunkChain {
 public:
  // `signature` is the opening request's, in hex.
  ChunkChain(ChunksAhead ahead, std::string time, std::string scope, std::string signature);

  // Of what comes next. Throws Error{invalid_request} where the request can't come next.
  std::string string_to_sign(const ChunkRequest& request) const;
  void advance(const ChunkRequest& request, std::string signature);
  bool is_complete() const;

  // chunk (its number, from 1) and length, or trailer (name:value, once for each).
  void add_facts(const ChunkRequest& request, Facts& facts) const;

 private:
  void require_chunk(const ChunkRequest& request) const;
  void require_trailer(const ChunkRequest& request) const;

  ChunksAhead ahead_;
  std::string time_, scope_, signature_;
  std::uint64_t signed_ = 0;  // chunks
  bool data_ended_ = false, trailer_signed_ = false;
};

}  // namespace holdfast::format
