#include "daemon/audit/who.h"

#include <algorithm>

#include "daemon/audit/lines.h"
#include "daemon/audit/text.h"
#include "daemon/base/error.h"
#include "daemon/base/openssl.h"

namespace holdfast::audit {
namespace {

constexpr std::size_t kLeastSignature = 32;  // bytes; SigV4's
constexpr std::size_t kMostJti = 256;
constexpr std::uint64_t kProgressStep = 65536;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n\"'";
  const std::size_t begin = text.find_first_not_of(space);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

// Either alphabet, padded or not.
std::optional<Bytes> decode_base64(std::string_view text) {
  std::string standard(text.substr(0, text.find_last_not_of('=') + 1));
  std::ranges::replace(standard, '-', '+');
  std::ranges::replace(standard, '_', '/');
  standard.append((4 - standard.size() % 4) % 4, '=');
  return from_base64(standard);
}

void add_signature(Sought& sought, const Bytes& bytes) {
  sought.digests.push_back(to_hex(sha256(bytes)));
  if (bytes.front() != 0x30) return;
  for (const std::size_t coordinate : {32, 48}) try {  // P-256, P-384
      sought.digests.push_back(to_hex(sha256(ecdsa_der_to_raw(bytes, coordinate))));
    } catch (const Error&) {
    }
}

// Of a SigV4 header or URL: what stands behind "Signature=".
std::string_view sigv4_signature(std::string_view text) {
  constexpr std::string_view name = "Signature=";
  const std::size_t at = text.rfind(name);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + name.size());
  return rest.substr(0, rest.find_first_not_of("0123456789abcdefABCDEF"));
}

bool fits(std::string_view leaf, const Sought& sought) {
  return std::ranges::any_of(sought.digests, [&](const std::string& digest) {
    return leaf.find("\"signature_sha256\":\"" + digest + "\"") != std::string_view::npos ||
           leaf.find("\"signed_sha256\":\"" + digest + "\"") != std::string_view::npos;
  });
}

std::optional<json::object> parsed(std::string_view text) {
  try {
    return parse_json_object(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

Sought read_sought(std::string_view text) {
  Sought sought;
  text = trimmed(text);
  if (const std::string_view hex = sigv4_signature(text); !hex.empty()) {
    if (const auto bytes = from_hex(hex); bytes && bytes->size() >= kLeastSignature)
      add_signature(sought, *bytes);
    return sought;
  }
  constexpr std::string_view bearer = "Bearer ";
  if (text.starts_with(bearer)) text.remove_prefix(bearer.size());
  if (std::ranges::count(text, '.') == 2) {
    const auto bytes = decode_base64(text.substr(text.rfind('.') + 1));
    if (bytes && bytes->size() >= kLeastSignature) add_signature(sought, *bytes);
    if (!sought.digests.empty()) return sought;
  }
  for (const auto& bytes : {from_hex(text), decode_base64(text)}) {
    if (!bytes || bytes->size() < kLeastSignature) continue;
    if (bytes->size() == sizeof(Sha256)) sought.digests.push_back(to_hex(*bytes));
    add_signature(sought, *bytes);
  }
  if (text.size() <= kMostJti) sought.jti = text;
  return sought;
}

void find_records(const std::string& folder, const Sought& sought,
                  const std::function<void(const json::object&)>& found, const Progress& progress) {
  // No name or value can hold this text: quotes in them are escaped.
  std::string jti = ",\"jti\":";
  append_string(jti, sought.jti, kMostJti);
  const auto segments = list_segments(folder, "leaves");
  // Else nobody would seem to have made what was asked for.
  if (segments.empty())
    throw Error(ErrorKind::audit_unavailable, "there is no audit log in " + folder);
  for (const std::uint64_t first : segments) {
    LineReader leaves(segment_path(folder, "leaves", first));
    LineReader details(segment_path(folder, "details", first));
    std::uint64_t seq = first;
    for (auto leaf = leaves.next(); leaf; leaf = leaves.next(), ++seq) {
      const auto line = details.next();
      if (!fits(*leaf, sought) &&
          (sought.jti.empty() || !line || line->find(jti) == std::string_view::npos))
        continue;
      auto record = parsed(*leaf);
      if (!record) continue;
      const auto beside = line ? split_details(*line, seq) : std::nullopt;
      if (beside && !beside->lost)
        if (auto object = parsed(beside->text)) (*record)["details"] = std::move(*object);
      found(*record);
    }
    if (progress) progress(seq, segments.back() + kProgressStep);
  }
}

}  // namespace holdfast::audit
