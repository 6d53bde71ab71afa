#include "daemon/format/sigv4_chunk.h"

#include <algorithm>
#include <charconv>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"

namespace holdfast::format {
namespace {

// S3's own: the largest object (48.8 TiB), and the smallest chunk but for the last.
constexpr std::uint64_t kMaxBytes = 53'687'091'200'000;
constexpr std::uint64_t kLeastChunk = 8192;
constexpr std::size_t kMaxSession = 64;
constexpr std::size_t kMaxTrailers = 16;
constexpr std::string_view kEmpty =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

[[noreturn]] void refuse(std::string detail) {
  throw Error(ErrorKind::invalid_request, std::move(detail));
}

std::uint64_t read_length(const std::vector<Header>& headers, const Fields& fields) {
  constexpr const char* wanted =
      "X-Amz-Decoded-Content-Length has to be given once, with the bytes of all chunks together";
  const std::string* text = nullptr;
  for (const Header& header : headers) {
    if (header.name != "x-amz-decoded-content-length") continue;
    if (text != nullptr) fields.fail("headers", wanted);
    text = &header.value;
  }
  std::uint64_t length = 0;
  if (text == nullptr) fields.fail("headers", wanted);
  const char* end = text->data() + text->size();
  const auto [stop, ec] = std::from_chars(text->data(), end, length);
  if (ec != std::errc() || stop != end || length > kMaxBytes) fields.fail("headers", wanted);
  return length;
}

std::vector<std::string> read_trailer_names(const std::vector<Header>& headers,
                                            const Fields& fields) {
  std::vector<std::string> names;
  for (const Header& header : headers) {
    if (header.name != "x-amz-trailer") continue;
    for (std::size_t start = 0; start <= header.value.size();) {
      const std::size_t end = std::min(header.value.find(',', start), header.value.size());
      std::string_view name = std::string_view(header.value).substr(start, end - start);
      // What is left of blanks is one, at most.
      if (name.starts_with(' ')) name.remove_prefix(1);
      if (name.ends_with(' ')) name.remove_suffix(1);
      names.push_back(lower(name));
      start = end + 1;
    }
  }
  std::ranges::sort(names);
  if (names.empty() || names.size() > kMaxTrailers || names.front().empty() ||
      std::ranges::adjacent_find(names) != names.end())
    fields.fail("headers", "X-Amz-Trailer has to name each header of the trailer once");
  return names;
}

}  // namespace

std::optional<ChunksAhead> read_chunks_ahead(const std::vector<Header>& headers,
                                             const Payload& payload, const Fields& fields) {
  if (!payload.has_signed_chunks) return std::nullopt;
  ChunksAhead ahead{read_length(headers, fields), payload.has_signed_trailer, {}};
  if (ahead.has_trailer) ahead.trailer = read_trailer_names(headers, fields);
  return ahead;
}

ChunkRequest ChunkRequest::parse(const json::object& body) {
  Fields fields(body);
  ChunkRequest request;
  request.session = fields.text("session", kMaxSession);
  request.is_trailer = fields.has("trailer");
  if (request.is_trailer) {
    request.trailer = listed_headers(fields, "trailer");
    std::ranges::stable_sort(request.trailer, {}, &Header::name);
  } else {
    request.payload_hash = fields.text("payload_sha256", 64);
    if (!is_sha256_hex(request.payload_hash))
      fields.fail("payload_sha256", "has to be a SHA-256 in 64 lower-case hex digits");
    const auto length = fields.optional_integer("length", 0, kMaxBytes);
    if (!length) fields.fail("length", "is required");
    request.length = static_cast<std::uint64_t>(*length);
    if ((request.length == 0) != (request.payload_hash == kEmpty))
      fields.fail("length", "is 0 where the chunk is empty, and only there");
  }
  fields.finish();
  return request;
}

ChunkChain::ChunkChain(ChunksAhead ahead, std::string time, std::string scope,
                       std::string signature)
    : ahead_(std::move(ahead)),
      time_(std::move(time)),
      scope_(std::move(scope)),
      signature_(std::move(signature)) {}

void ChunkChain::require_chunk(const ChunkRequest& request) const {
  if (data_ended_) refuse("length: the chunk of length 0 has ended the data");
  if (request.length > ahead_.bytes)
    refuse("length: only " + std::to_string(ahead_.bytes) +
           " bytes are left of X-Amz-Decoded-Content-Length");
  if (request.length == 0 && ahead_.bytes != 0)
    refuse("length: the data can't end, for " + std::to_string(ahead_.bytes) +
           " bytes of X-Amz-Decoded-Content-Length are to come");
  if (request.length < kLeastChunk && request.length != ahead_.bytes)
    refuse("length: only the last chunk may have less than " + std::to_string(kLeastChunk) +
           " bytes");
}

void ChunkChain::require_trailer(const ChunkRequest& request) const {
  if (!ahead_.has_trailer || trailer_signed_) refuse("trailer: none is to come");
  if (!data_ended_) refuse("trailer: comes after the chunk of length 0");
  if (!std::ranges::equal(request.trailer, ahead_.trailer, {}, &Header::name))
    refuse("trailer: has to hold the headers that X-Amz-Trailer names, each once");
}

std::string ChunkChain::string_to_sign(const ChunkRequest& request) const {
  std::string text(request.is_trailer ? "AWS4-HMAC-SHA256-TRAILER\n"
                                      : "AWS4-HMAC-SHA256-PAYLOAD\n");
  text.append(time_).append("\n").append(scope_).append("\n").append(signature_).append("\n");
  if (!request.is_trailer) {
    require_chunk(request);
    return text.append(kEmpty).append("\n").append(request.payload_hash);
  }
  require_trailer(request);
  std::string lines;
  for (const Header& header : request.trailer)
    lines.append(header.name).append(":").append(header.value).append("\n");
  return text.append(sha256_hex(lines));
}

void ChunkChain::advance(const ChunkRequest& request, std::string signature) {
  signature_ = std::move(signature);
  if (request.is_trailer) {
    trailer_signed_ = true;
    return;
  }
  ++signed_;
  ahead_.bytes -= request.length;
  data_ended_ = request.length == 0;
}

bool ChunkChain::is_complete() const {
  return data_ended_ && (!ahead_.has_trailer || trailer_signed_);
}

void ChunkChain::add_facts(const ChunkRequest& request, Facts& facts) const {
  if (request.is_trailer) {
    for (const Header& header : request.trailer)
      facts.add("trailer", header.name + ":" + header.value);
    return;
  }
  facts.add("chunk", std::to_string(signed_ + 1));
  facts.add("length", std::to_string(request.length));
}

}  // namespace holdfast::format
