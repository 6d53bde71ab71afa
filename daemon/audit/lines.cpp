#include "daemon/audit/lines.h"

#include "daemon/audit/text.h"
#include "daemon/audit/tree.h"

namespace holdfast::audit {
namespace {

constexpr std::size_t kMaxName = 256;    // bytes of a leaf's text, of a fact's name
constexpr std::size_t kMaxValue = 1024;  // bytes of a fact's value
constexpr std::size_t kMaxFacts =
    16 * 1024;  // bytes of all facts together; what is beyond is counted
constexpr std::size_t kMaxPath = 4096;
constexpr std::string_view kDigestName = ",\"details_sha256\":\"";
constexpr std::string_view kLost = ",\"lost\":true}";

void append_field(std::string& out, std::string_view name, std::string_view value,
                  std::size_t max_bytes = kMaxName) {
  out.append(",\"").append(name).append("\":");
  append_string(out, value, max_bytes);
}

void append_field(std::string& out, std::string_view name, std::uint64_t value) {
  out.append(",\"").append(name).append("\":");
  append_number(out, value);
}

void append_seq(std::string& out, std::uint64_t seq) {
  out.append("{\"seq\":");
  append_number(out, seq);
}

// Pairs in a list, because a name may stand more than once.
void append_facts(std::string& out, const Facts& facts) {
  out.append(",\"facts\":[");
  std::size_t room = kMaxFacts;
  std::uint64_t cut = 0;
  bool first = true;
  for (const Fact& fact : facts.all()) {
    const std::size_t size =
        std::min(fact.name.size(), kMaxName) + std::min(fact.value.size(), kMaxValue);
    if (size + 8 > room) {
      ++cut;
      continue;
    }
    room -= size + 8;
    out.append(first ? "[" : ",[");
    first = false;
    const bool whole_name = append_string(out, fact.name, kMaxName);
    out.push_back(',');
    const bool whole_value = append_string(out, fact.value, kMaxValue);
    cut += whole_name && whole_value ? 0 : 1;
    out.push_back(']');
  }
  out.push_back(']');
  if (cut != 0) append_field(out, "facts_cut", cut);
}

void append_details(std::string& out, const Details& details) {
  out.append("{\"request_id\":");
  append_string(out, details.request_id, kMaxName);
  append_field(out, "grant", details.grant);
  append_field(out, "reason", details.reason, kMaxValue);
  const Caller& caller = details.caller;
  out.append(",\"caller\":{\"pid\":");
  append_number(out, static_cast<std::uint64_t>(std::max<pid_t>(caller.pid, 0)));
  append_field(out, "uid", std::uint64_t{caller.uid});
  append_field(out, "gid", std::uint64_t{caller.gid});
  append_field(out, "user", caller.user);
  append_field(out, "unit", caller.unit);
  append_field(out, "user_unit", caller.user_unit);
  append_field(out, "exe", caller.exe, kMaxPath);
  append_field(out, "exe_sha256", caller.exe_sha256);
  append_field(out, "label", caller.label);
  append_field(out, "container", caller.container);
  append_field(out, "pod", caller.pod);
  append_field(out, "security_label", caller.security_label);
  out.append(caller.nested ? ",\"nested\":true" : ",\"nested\":false");
  out.push_back('}');
  append_facts(out, details.facts);
  if (details.skew.count() != 0)
    append_field(out, "skew_seconds", static_cast<std::uint64_t>(details.skew.count()));
  if (details.ttl)
    append_field(out, "ttl_seconds", static_cast<std::uint64_t>(details.ttl->count()));
  if (!details.jti.empty()) append_field(out, "jti", details.jti);
  out.push_back('}');
}

bool starts_with_seq(std::string_view line, std::uint64_t seq) {
  std::string start;
  append_seq(start, seq);
  return line.starts_with(start) && line.size() > start.size() && line[start.size()] == ',';
}

}  // namespace

std::size_t write_lines(const Record& record, std::uint64_t seq, ByteView salt, std::string& leaves,
                        std::string& details) {
  append_seq(details, seq);
  details.append(",\"salt\":\"").append(to_hex(salt)).append("\",\"details\":");
  const std::size_t text = details.size();
  append_details(details, record.details);
  const Sha256 digest = salted_hash(salt, std::string_view(details).substr(text));
  details.append("}\n");

  const std::size_t start = leaves.size();
  append_seq(leaves, seq);
  append_field(leaves, "time", to_rfc3339_micros(record.time));
  append_field(leaves, "decision", record.allowed ? "allowed" : "denied");
  append_field(leaves, "code", record.code);
  append_field(leaves, "operation", record.operation);
  append_field(leaves, "key", record.key);
  append_field(leaves, "version", std::uint64_t{record.version});
  append_field(leaves, "uid", std::uint64_t{record.uid});
  if (record.count != 0) append_field(leaves, "count", record.count);
  append_field(leaves, "policy_digest", record.policy_digest);
  append_field(leaves, "signed_sha256", record.signed_digest);
  append_field(leaves, "signature_sha256", record.signature_digest);
  leaves.append(kDigestName).append(to_hex(digest)).append("\"}\n");
  return start;
}

std::string lost_line(std::uint64_t seq) {
  std::string line;
  append_seq(line, seq);
  return line.append(kLost).append("\n");
}

bool is_leaf(std::string_view line, std::uint64_t seq) {
  const std::size_t tail = kDigestName.size() + 64 + 2;
  return starts_with_seq(line, seq) && line.size() > tail && line.ends_with("\"}") &&
         line.substr(line.size() - tail).starts_with(kDigestName);
}

std::string_view details_digest(std::string_view leaf) {
  return leaf.substr(leaf.size() - 66, 64);
}

std::optional<DetailsLine> split_details(std::string_view line, std::uint64_t seq) {
  if (!starts_with_seq(line, seq)) return std::nullopt;
  std::string_view rest = line.substr(line.find(','));
  DetailsLine result;
  if (rest == kLost) {
    result.lost = true;
    return result;
  }
  static constexpr std::string_view salt = ",\"salt\":\"", middle = "\",\"details\":";
  const std::size_t head = salt.size() + 2 * kSaltBytes;
  if (!rest.starts_with(salt) || rest.size() < head || !rest.substr(head).starts_with(middle) ||
      !rest.ends_with("}}"))
    return std::nullopt;
  const std::string_view hex = rest.substr(salt.size(), 2 * kSaltBytes);
  auto bytes = from_hex(hex);
  if (!bytes || to_hex(*bytes) != hex) return std::nullopt;
  result.salt = std::move(*bytes);
  result.text = rest.substr(head + middle.size());
  result.text.remove_suffix(1);
  return result;
}

bool DetailsLine::matches(std::string_view leaf) const {
  return lost || to_hex(salted_hash(salt, text)) == details_digest(leaf);
}

}  // namespace holdfast::audit
