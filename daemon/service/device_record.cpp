#include "daemon/service/device_record.h"

#include "daemon/base/error.h"
#include "daemon/base/json.h"
#include "daemon/base/posix.h"

namespace holdfast {

DeviceRecord::DeviceRecord(std::string path) : path_(std::move(path)) {
  std::string text;
  try {
    text = read_file(path_, 1 << 20);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return;
  }
  const json::object object = parse_json_object(text);
  for (const auto& [device, parent] : object) {
    if (!parent.is_string()) throw Error(ErrorKind::invalid_request, path_ + " is damaged");
    parents_.emplace(device, parent.get_string());
  }
}

void DeviceRecord::save() const {
  json::object object;
  for (const auto& [device, parent] : parents_) object[device] = parent;
  replace_file(path_, json::serialize(object) + "\n", 0600);
}

}  // namespace holdfast
