#include "daemon/audit/checkpoint.h"

#include <openssl/pem.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"
#include "daemon/base/origin.h"
#include "daemon/base/posix.h"

namespace holdfast::audit {
namespace {

constexpr std::string_view kDash = "\xe2\x80\x94 ";  // U+2014, space
constexpr std::size_t kMostSignatures = 16;

// C2SP signed-note, "Format".
bool is_note_text(std::string_view note) {
  return is_utf8(note) && std::ranges::all_of(note, [](char c) {
           return static_cast<unsigned char>(c) >= 0x20 || c == '\n';
         });
}

// Takes the next line off; nullopt where there is none, or an empty one.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

std::optional<std::string> take_extension(std::string_view& text, std::string_view name) {
  const auto line = take_line(text);
  if (!line || !line->starts_with(name)) return std::nullopt;
  return std::string(line->substr(name.size()));
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::optional<Checkpoint> parse_text(std::string_view text) {
  const std::string_view whole = text;
  const auto origin = take_line(text), size = take_line(text), root = take_line(text);
  if (!origin || !is_origin(*origin) || !size || !root) return std::nullopt;
  const auto time = take_extension(text, "time ");
  const auto policy = take_extension(text, "policy "),
             catalogue = take_extension(text, "catalogue ");
  const auto seconds = time ? from_rfc3339(*time) : std::nullopt;
  const auto hash = from_base64(*root);
  if (!seconds || !policy || !catalogue || !hash || hash->size() != sizeof(Sha256))
    return std::nullopt;
  Checkpoint checkpoint{
      std::string(*origin), {number(*size), std::string(*root)}, *seconds, *policy, *catalogue, {}};
  if (const auto anchor = take_extension(text, "anchor ")) checkpoint.anchor = number(*anchor);
  if (to_text(checkpoint) != whole) return std::nullopt;
  return checkpoint;
}

std::optional<NoteSignature> parse_signature(std::string_view line) {
  if (!line.starts_with(kDash)) return std::nullopt;
  line.remove_prefix(kDash.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0) return std::nullopt;
  const auto bytes = from_base64(line.substr(space + 1));
  NoteSignature signature{std::string(line.substr(0, space)), {}, {}};
  if (!bytes || bytes->size() <= signature.key_id.size()) return std::nullopt;
  std::copy_n(bytes->begin(), signature.key_id.size(), signature.key_id.begin());
  signature.signature.assign(bytes->begin() + signature.key_id.size(), bytes->end());
  return signature;
}

bool verifies(ByteView spki, std::string_view text, ByteView signature) {
  const EvpPkey key = public_key_from_spki(spki);
  const EvpMdCtx context(EVP_MD_CTX_new());
  if (!context ||
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1)
    throw_openssl("verify a checkpoint");
  const ByteView bytes = as_bytes(text);
  return EVP_DigestVerify(context.get(), signature.data(), signature.size(), bytes.data(),
                          bytes.size()) == 1;
}

}  // namespace

std::string to_text(const Checkpoint& checkpoint) {
  std::string text = checkpoint.origin + "\n" + std::to_string(checkpoint.state.size) + "\n" +
                     checkpoint.state.root + "\ntime " + to_rfc3339(checkpoint.time) + "\npolicy " +
                     checkpoint.policy_digest + "\ncatalogue " + checkpoint.catalogue_digest + "\n";
  if (checkpoint.anchor) text += "anchor " + std::to_string(*checkpoint.anchor) + "\n";
  return text;
}

KeyId key_id(ByteView spki) {
  const Sha256 digest = sha256(spki);
  return {digest[0], digest[1], digest[2], digest[3]};
}

std::string signature_line(std::string_view name, ByteView spki, ByteView signature) {
  const KeyId id = key_id(spki);
  Bytes bytes(id.begin(), id.end());
  bytes.insert(bytes.end(), signature.begin(), signature.end());
  return std::string(kDash).append(name).append(" ").append(to_base64(bytes)).append("\n");
}

bool SignedCheckpoint::is_signed_by(ByteView spki) const {
  const KeyId id = key_id(spki);
  bool found = false;
  for (const NoteSignature& one : signatures) {
    if (one.name != checkpoint.origin || one.key_id != id) continue;
    if (!verifies(spki, text, one.signature)) return false;
    found = true;
  }
  return found;
}

std::optional<SignedCheckpoint> parse_checkpoint(std::string_view note) {
  if (note.size() > kMostNoteBytes || !is_note_text(note)) return std::nullopt;
  const std::size_t gap = note.find("\n\n");
  if (gap == std::string_view::npos) return std::nullopt;
  const std::string_view text = note.substr(0, gap + 1);
  auto checkpoint = parse_text(text);
  if (!checkpoint) return std::nullopt;
  SignedCheckpoint result{std::move(*checkpoint), std::string(text), {}};
  std::string_view rest = note.substr(gap + 2);
  do {
    const auto line = take_line(rest);
    auto signature = line ? parse_signature(*line) : std::nullopt;
    if (!signature || result.signatures.size() == kMostSignatures) return std::nullopt;
    result.signatures.push_back(std::move(*signature));
  } while (!rest.empty());
  return result;
}

std::optional<SignedCheckpoint> read_signed(const std::string& folder) {
  std::string note;
  try {
    note = read_file(folder + "/checkpoint", kMostNoteBytes);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return std::nullopt;
    throw Error(ErrorKind::audit_unavailable, error.detail(), error.where(), error.native_code());
  }
  auto parsed = parse_checkpoint(note);
  if (!parsed)
    throw Error(ErrorKind::audit_unavailable,
                folder + "/checkpoint is damaged: move that file away, keep it, and restart");
  return parsed;
}

std::optional<SignedCheckpoint> read_signed(const std::string& folder, std::uint64_t size) {
  try {
    auto parsed = parse_checkpoint(read_file(folder + "/" + checkpoint_path(size), kMostNoteBytes));
    return parsed && parsed->checkpoint.state.size == size ? std::move(parsed) : std::nullopt;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found || error.kind() == ErrorKind::too_large)
      return std::nullopt;
    throw Error(ErrorKind::audit_unavailable, error.detail(), error.where(), error.native_code());
  }
}

std::string checkpoint_path(std::uint64_t size) {
  char name[32];
  std::snprintf(name, sizeof name, "checkpoints/%012llu", static_cast<unsigned long long>(size));
  return name;
}

std::vector<std::uint64_t> list_checkpoints(const std::string& folder) {
  std::vector<std::uint64_t> sizes;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/checkpoints", ignored)) {
    const std::string name = entry.path().filename();
    if (checkpoint_path(number(name)) == "checkpoints/" + name) sizes.push_back(number(name));
  }
  std::ranges::sort(sizes);
  return sizes;
}

Bytes read_public_key(const std::string& pem) {
  const std::unique_ptr<BIO, OpensslFree<BIO_free_all>> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const EvpPkey key(bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr);
  char group[64] = {};
  if (!key || EVP_PKEY_get_group_name(key.get(), group, sizeof group, nullptr) != 1 ||
      std::string_view(group) != "prime256v1")
    throw Error(ErrorKind::invalid_request,
                "is no PEM public key of type ec-p256 (-----BEGIN PUBLIC KEY-----)");
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key.get(), &der);
  if (size <= 0) throw_openssl("i2d_PUBKEY");
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

}  // namespace holdfast::audit
