#include "daemon/base/caller.h"

#include <string_view>

namespace holdfast {

std::string Caller::attribute(std::string_view name) const {
  if (name == "user") return user;
  if (name == "uid") return std::to_string(uid);
  if (name == "gid") return std::to_string(gid);
  if (name == "unit") return unit;
  if (name == "user_unit") return user_unit;
  if (name == "exe") return exe;
  if (name == "label") return label;
  if (name == "container") return container;
  if (name == "pod") return pod;
  if (name == "security_label") return security_label;
  return {};
}

}  // namespace holdfast
