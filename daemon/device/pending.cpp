#include "daemon/device/pending.h"

#include <type_traits>

namespace holdfast::device {
namespace {

template <class Wanted, class... Kinds>
constexpr std::size_t index_in(const std::variant<Kinds...>*) {
  std::size_t index = 0;
  static_cast<void>(((std::is_same_v<Wanted, Kinds> ? true : (++index, false)) || ...));
  return index;
}
template <class Wanted>
constexpr std::size_t kIndexOf = index_in<Wanted>(static_cast<const Answer*>(nullptr));

}  // namespace

Kind kind_of(const Command& command, const Settings& settings) {
  if (const auto* create = std::get_if<Create>(&command)) {
    const bool rsa = create->type == KeyType::rsa_2048 || create->type == KeyType::rsa_3072;
    return {kIndexOf<DeviceKey>, rsa ? settings.rsa_generation : settings.sign, false};
  }
  if (std::holds_alternative<ImportSecret>(command) ||
      std::holds_alternative<ImportPrivateKey>(command))
    return {kIndexOf<DeviceKey>, settings.sign, false};
  if (std::holds_alternative<Sign>(command))
    return {kIndexOf<Signature>, settings.sign, true, false};
  if (std::holds_alternative<Mac>(command)) return {kIndexOf<Secret>, settings.sign, true, false};
  if (std::holds_alternative<Remove>(command)) return {kIndexOf<Removed>, settings.sign, true};
  if (std::holds_alternative<Enrol>(command)) return {kIndexOf<EnrolledKey>, settings.sign, true};
  if (std::holds_alternative<ReadAnchor>(command))
    return {kIndexOf<AnchorState>, settings.sign, true};
  if (std::holds_alternative<IncrementAnchor>(command))
    return {kIndexOf<AnchorState>, settings.sign, false};
  return {kIndexOf<Ready>, settings.sign, false};
}

}  // namespace holdfast::device
