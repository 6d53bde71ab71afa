// The cgroup of a command that root started with a label: holdfast-label-LABEL-RANDOM.scope in system.slice.
// `holdfast run` makes it, and holdfast-caller reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast::identity {

inline constexpr std::string_view kLabelSlice = "system.slice";

// [a-z0-9][a-z0-9._-]{0,62}, as the names of keys and grants.
bool is_label(std::string_view text);

// The scope's name. `random` tells runs of one label apart.
std::string label_scope(std::string_view label, std::uint64_t random);

// The label in such a name; nullopt for any other.
std::optional<std::string> label_of(std::string_view scope);

}  // namespace holdfast::identity
