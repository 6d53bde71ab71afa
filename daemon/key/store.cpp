#include "daemon/key/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

#include "daemon/base/error.h"
#include "daemon/base/json.h"
#include "daemon/base/openssl.h"
#include "daemon/base/posix.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxMetadata = 1 << 20;
constexpr std::size_t kMaxObject = 64 * 1024;
constexpr std::int64_t kFormat = 1;
constexpr std::string_view kCertificateSuffix = ".crt";
// Names a key can't have: changes under way, dropped by load().
constexpr std::string_view kNewSuffix = "~new";
constexpr std::string_view kOldSuffix = "~old";

std::string object_file(std::uint32_t number) {
  return "v" + std::to_string(number) + ".pem";
}

// Renewed ones have another name, so that until the metadata names them the former are there.
std::string certificate_file(std::uint32_t number, std::string_view digest) {
  return "v" + std::to_string(number) + "." + std::string(digest.substr(0, 16)) +
         std::string(kCertificateSuffix);
}

std::string digest_of(const Certificate& certificate) {
  return sha256_hex(to_pem(certificate));
}

}  // namespace

std::string write_metadata(const Key& key) {
  json::array versions;
  for (const KeyVersion& version : key.versions) {
    versions.push_back({{"version", version.number},
                        {"kid", version.kid},
                        {"state", to_string(version.state)},
                        {"disabled", version.disabled},
                        {"created", to_rfc3339(version.created)},
                        {"since", to_rfc3339(version.since)},
                        {"object_sha256", to_hex(sha256(version.object))},
                        {"public_key", to_base64(version.public_key)},
                        {"check_value", version.check_value}});
    // Absent where there is none: earlier releases read that.
    if (version.certificate)
      versions.back().as_object()["certificate_sha256"] = digest_of(*version.certificate);
  }
  const json::object metadata{
      {"format", kFormat},         {"name", key.name},         {"type", to_string(key.type)},
      {"use", to_string(key.use)}, {"device", key.device},     {"origin", to_string(key.origin)},
      {"software", key.software},  {"disabled", key.disabled}, {"versions", std::move(versions)}};
  const std::string line = json::serialize(metadata);
  return line + "\n" + sha256_hex(line) + "\n";
}

namespace {

// What the file does not hold, or holds with a value that this release does not know.
template <class Value>
Value known(std::optional<Value> value, std::string_view what) {
  if (!value) throw Error(ErrorKind::internal, "no or an unknown " + std::string(what));
  return std::move(*value);
}

Certificate load_certificate(const fs::path& folder, std::uint32_t number,
                             const std::string& digest) {
  if (!from_hex(digest) || digest.size() != 64)
    throw Error(ErrorKind::internal, "no or an unknown certificate_sha256");
  const std::string file = certificate_file(number, digest);
  const std::string pem = read_file(folder / file, kMostCertificateText);
  if (sha256_hex(pem) != digest)
    throw Error(ErrorKind::internal, file + " does not match its checksum");
  try {
    return read_certificate(pem);
  } catch (const Error& error) {
    throw Error(ErrorKind::internal, file + " " + error.detail());
  }
}

KeyVersion read_version(const json::value& entry, const fs::path& folder) {
  Fields fields(entry.as_object(), "versions");
  KeyVersion version;
  version.number = static_cast<std::uint32_t>(
      known(fields.optional_integer("version", 1, 1'000'000), "version"));
  version.kid = fields.text("kid", 256);
  version.state = known(version_state_from(fields.text("state", 16)), "state");
  version.disabled = known(fields.optional_bool("disabled"), "disabled");
  version.created = known(from_rfc3339(fields.text("created", 32)), "time");
  version.since = known(from_rfc3339(fields.text("since", 32)), "time");
  version.public_key = known(fields.optional_base64("public_key", 4096), "public_key");
  version.check_value = fields.text("check_value", 64);
  const std::string expected = fields.text("object_sha256", 64);
  const auto certificate = fields.optional_text("certificate_sha256", 64);
  fields.finish();
  const std::string object = read_file(folder / object_file(version.number), kMaxObject);
  if (sha256_hex(object) != expected)
    throw Error(ErrorKind::internal, object_file(version.number) + " does not match its checksum");
  version.object.assign(object.begin(), object.end());
  if (certificate) version.certificate = load_certificate(folder, version.number, *certificate);
  return version;
}

Key read_metadata(const fs::path& folder) {
  const std::string text = read_file(folder / "key.json", kMaxMetadata);
  const auto end = text.find('\n');
  if (end == std::string::npos || text.substr(end + 1) != sha256_hex(text.substr(0, end)) + "\n")
    throw Error(ErrorKind::internal, "key.json does not match its checksum");
  const json::object metadata = parse_json_object(text.substr(0, end));
  Fields fields(metadata);
  if (fields.optional_integer("format", 0, 1'000'000) != kFormat)
    throw Error(ErrorKind::internal, "key.json is of another release's format");
  Key key;
  key.name = fields.text("name", 63);
  key.type = known(key_type_from(fields.text("type", 16)), "type");
  key.use = known(key_use_from(fields.text("use", 16)), "use");
  key.device = fields.text("device", 63);
  key.origin = known(origin_from(fields.text("origin", 16)), "origin");
  key.software = known(fields.optional_bool("software"), "software");
  key.disabled = known(fields.optional_bool("disabled"), "disabled");
  const json::value* versions = fields.optional_value("versions");
  if (versions == nullptr) throw Error(ErrorKind::internal, "no versions");
  for (const json::value& entry : versions->as_array())
    key.versions.push_back(read_version(entry, folder));
  fields.finish();
  if (key.name != folder.filename()) throw Error(ErrorKind::internal, "key.json is another key's");
  return key;
}

void make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    throw_errno(ErrorKind::internal, "mkdir " + path);
}

void write_object(const std::string& folder, const KeyVersion& version) {
  replace_file(folder + "/" + object_file(version.number), as_text(version.object), 0600);
}

void write_certificate(const std::string& folder, const KeyVersion& version) {
  replace_file(folder + "/" + certificate_file(version.number, digest_of(*version.certificate)),
               to_pem(*version.certificate), 0600);
}

// Of certificates that were renewed, or left by an interrupted update.
void drop_certificates(const std::string& folder, const Key& key) {
  std::set<std::string> kept;
  for (const KeyVersion& version : key.versions)
    if (version.certificate)
      kept.insert(certificate_file(version.number, digest_of(*version.certificate)));
  std::error_code ignored;  // the next update tries again
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename();
    if (name.ends_with(kCertificateSuffix) && !kept.contains(name))
      fs::remove(entry.path(), ignored);
  }
}

// Renames `from` to `to`, which must not be there.
void move_folder(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) throw Error(ErrorKind::conflict, "a key of that name exists already");
    throw_errno(ErrorKind::internal, "rename " + from);
  }
}

}  // namespace

Store::Store(std::string folder) : folder_(std::move(folder)) {
  make_folder(folder_);
}

std::vector<Key> Store::load() const {
  std::vector<Key> keys;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename();
    if (name.ends_with(kNewSuffix) || name.ends_with(kOldSuffix)) {
      fs::remove_all(entry.path());
      continue;
    }
    if (!is_key_name(name)) continue;
    try {
      keys.push_back(read_metadata(entry.path()));
    } catch (const std::exception& error) {
      Key damaged;
      damaged.name = name;
      damaged.damage = error.what();
      keys.push_back(std::move(damaged));
    }
  }
  return keys;
}

void Store::create(const Key& key) const {
  const std::string path = folder_ + "/" + key.name;
  const std::string temporary = path + std::string(kNewSuffix);
  fs::remove_all(temporary);
  make_folder(temporary);
  for (const KeyVersion& version : key.versions) {
    write_object(temporary, version);
    if (version.certificate) write_certificate(temporary, version);
  }
  replace_file(temporary + "/key.json", write_metadata(key), 0600);
  move_folder(temporary, path);
  sync_folder(folder_);
}

void Store::update(const Key& key) const {
  const std::string path = folder_ + "/" + key.name;
  // A file that no metadata names yet may be a leftover of an interrupted update: written anew.
  const Key before = read_metadata(path);
  for (const KeyVersion& version : key.versions) {
    const auto had = std::ranges::find(before.versions, version.number, &KeyVersion::number);
    // An update may fail after its last rename: the same number then comes with another object.
    if (had == before.versions.end() || had->object != version.object) write_object(path, version);
    if (version.certificate && (had == before.versions.end() || !had->certificate ||
                                had->certificate->chain != version.certificate->chain))
      write_certificate(path, version);
  }
  replace_file(path + "/key.json", write_metadata(key), 0600);
  drop_certificates(path, key);
}

void Store::remove(const std::string& name) const {
  const std::string path = folder_ + "/" + name;
  const std::string old = path + std::string(kOldSuffix);
  fs::remove_all(old);
  move_folder(path, old);
  sync_folder(folder_);
  std::error_code ignored;  // what is left is dropped by load()
  fs::remove_all(old, ignored);
}

}  // namespace holdfast
