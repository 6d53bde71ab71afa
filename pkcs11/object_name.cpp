#include "pkcs11/object_name.h"

#include <algorithm>

namespace holdfast::pkcs11 {
namespace {

constexpr std::string_view kScheme = "pkcs11:id=";
constexpr std::string_view kPrivate = ";type=private", kSecret = ";type=secret-key";
constexpr std::string_view kEnrolled = "?x-holdfast=enrolled";

bool take_end(std::string_view& text, std::string_view end) {
  if (!text.ends_with(end)) return false;
  text.remove_suffix(end.size());
  return true;
}

}  // namespace

Bytes encode(const ObjectName& name) {
  std::string text(kScheme);
  for (const std::uint8_t byte : name.id) text += '%' + to_hex({&byte, 1});
  text += name.object_class == CKO_SECRET_KEY ? kSecret : kPrivate;
  if (name.origin == Origin::enrolled) text += kEnrolled;
  return {text.begin(), text.end()};
}

std::optional<ObjectName> decode(ByteView object) {
  std::string_view text = as_text(object);
  ObjectName name{};
  name.origin = take_end(text, kEnrolled) ? Origin::enrolled : Origin::made;
  if (take_end(text, kSecret))
    name.object_class = CKO_SECRET_KEY;
  else if (take_end(text, kPrivate))
    name.object_class = CKO_PRIVATE_KEY;
  else
    return std::nullopt;
  if (!text.starts_with(kScheme)) return std::nullopt;
  text.remove_prefix(kScheme.size());
  if (text.size() > 3 * kMostIdBytes) return std::nullopt;
  std::string hex(text);
  std::erase(hex, '%');
  auto id = from_hex(hex);
  if (!id || id->empty()) return std::nullopt;
  name.id = std::move(*id);
  if (name.origin == Origin::made && name.id.size() != kMadeIdBytes) return std::nullopt;
  // One spelling only.
  if (!std::ranges::equal(encode(name), object)) return std::nullopt;
  return name;
}

}  // namespace holdfast::pkcs11
