// Which storage root each device had when it was first seen. Another one means a cleared or
// replaced device, under which none of its keys would load.
#pragma once

#include <map>
#include <string>

namespace holdfast {

// A value; save() is for the disk worker.
class DeviceRecord {
 public:
  // Reads `path`, or starts empty if it is not there. Throws Error{invalid_request} if it is
  // damaged.
  explicit DeviceRecord(std::string path);

  bool knows(const std::string& device) const { return parents_.contains(device); }
  bool matches(const std::string& device, const std::string& parent_name) const {
    const auto at = parents_.find(device);
    return at == parents_.end() || at->second == parent_name;
  }
  // Empty where it is not known.
  std::string parent_of(const std::string& device) const {
    const auto at = parents_.find(device);
    return at == parents_.end() ? std::string() : at->second;
  }
  void set(const std::string& device, const std::string& parent_name) {
    parents_[device] = parent_name;
  }
  // Throws Error{internal} with errno.
  void save() const;

 private:
  std::string path_;
  std::map<std::string, std::string> parents_;
};

}  // namespace holdfast
