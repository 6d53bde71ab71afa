#include "daemon/service/device_admin.h"

#include "daemon/base/error.h"

namespace holdfast {

using boost::asio::awaitable;

awaitable<json::object> DeviceAdmin::accept(std::string name) {
  const auto at = service_.devices.find(name);
  if (at == service_.devices.end())
    throw Error(ErrorKind::not_found, "the configuration names no device " + name.substr(0, 63));
  const std::string& parent = at->second->description().parent_name;
  const auto mark = service_.pin_marks.find(name);
  const bool pin_again =
      mark != service_.pin_marks.end() && at->second->state() != device::State::ready;
  if (parent.empty() && !pin_again)
    throw Error(ErrorKind::conflict, "the device has not answered yet: see `holdfast health`");
  const bool other = !parent.empty() && !service_.device_record.matches(name, parent);
  if (other) co_await set_parent(name, parent);
  if (pin_again) {
    const PinMark& pin = mark->second;
    co_await service_.audit->run([&pin] { pin.write(PinMark::Word::accepted); });
  }
  if (other || pin_again) service_.replace_device(name);
  co_return json::object{{"device", name}, {"accepted", other}, {"pin_again", pin_again}};
}

awaitable<void> DeviceAdmin::set_parent(const std::string& device, const std::string& parent) {
  const std::string former = service_.device_record.parent_of(device);
  service_.device_record.set(device, parent);
  // A named local, because g++ 12 destroys a closure with members twice that it builds in a co_await.
  const DeviceRecord changed = service_.device_record;
  try {
    co_await service_.audit->run([&changed] { changed.save(); });
  } catch (const Error&) {
    service_.device_record.set(device, former);
    throw;
  }
}

}  // namespace holdfast
