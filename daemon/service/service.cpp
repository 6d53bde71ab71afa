#include "daemon/service/service.h"

#include "daemon/base/error.h"
#include "daemon/base/log.h"

namespace holdfast {

Service::Service(boost::asio::io_context& io, config::Config configuration,
                 std::shared_ptr<const policy::Policy> rules, std::vector<Key> keys,
                 std::optional<SystemTime> last_record)
    : loop(io),
      clock(system_clock, last_record),
      config(std::move(configuration)),
      policy(std::move(rules)),
      limiter(*policy),
      catalogue(std::move(keys)),
      device_record(config.state_dir + "/devices.json"),
      verification(config.devices),
      processes(identity::Processes::make(io, [this] {
        if (replace_caller) replace_caller();
      })) {}

device::Client& Service::device(const std::string& name) const {
  const auto at = devices.find(name);
  if (at == devices.end())
    throw Error(ErrorKind::device_unavailable, "the configuration names no device " + name);
  return *at->second;
}

namespace {

// A file that is missing or too large is a fault of the configuration, not of the path that was asked.
std::vector<config::File> read_configuration(const std::string& path) {
  try {
    config::check_ownership(path);
    return config::read_files(path);
  } catch (const Error& error) {
    throw Error(ErrorKind::invalid_request, error.what());
  }
}

}  // namespace

boost::asio::awaitable<void> reload(Service& service) {
  std::shared_ptr<const policy::Policy> fresh;
  std::string log_level;
  // Names of users are looked up here, which may take its time: not on the loop.
  co_await service.audit->run([&] {
    const std::vector<config::File> files = read_configuration(service.config.path);
    log_level = config::parse(files).log_level;
    fresh = load_policy(files);
  });
  log::show(log::level_from(log_level));
  service.policy = std::move(fresh);
  service.limiter.adopt(*service.policy);
  log::info("policy_loaded", {{"digest", service.policy->digest()},
                              {"grants", std::to_string(service.policy->size())}});
}

std::shared_ptr<const policy::Policy> load_policy(const std::vector<config::File>& files) {
  std::vector<policy::Source> sources;
  sources.reserve(files.size());
  for (const config::File& file : files) sources.push_back({file.name, file.text});
  return policy::Policy::load(sources);
}

}  // namespace holdfast
