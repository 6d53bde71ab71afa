// The core's state with a device in memory behind a real link, and administrators' calls on it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <boost/asio/co_spawn.hpp>

#include "daemon/base/loop.h"
#include "daemon/device/control.h"
#include "daemon/service/intent.h"
#include "daemon/service/key_admin.h"
#include "tests/support/fake_backend.h"
#include "tests/support/folder.h"
#include "tests/unit/device_support.h"

namespace holdfast {

class ServiceTest : public ::testing::Test {
 protected:
  explicit ServiceTest(config::Verify verify = config::Verify::always) {
    config::Config config;
    config.state_dir = folder_.path();
    config.devices.emplace_back();
    config.devices.front().name = config.devices.front().backend = "fake";
    config.devices.front().verify = verify;
    store_.emplace(folder_ / "keys");
    service_.emplace(loop_.context(), config, std::make_shared<policy::Policy>(),
                     std::vector<Key>(), std::nullopt);
    service_->audit =
        audit::Writer::make(loop_, folder_ / "audit", false, std::chrono::seconds(10));
    auto client = device::Client::make(loop_.context(), "fake", {}, [] {});
    client->on_ready([this](const DeviceDescription&) { service_->verification.opened("fake"); });
    client_ = client.get();
    service_->devices.emplace("fake", std::move(client));
    admin_.emplace(*service_, *store_);
    server_.emplace([this] { return device_->open(); });
    client_->attach(server_->link());
  }
  ~ServiceTest() override {
    client_->stop();
    service_->audit->stop();
  }

  // What it gives, or the error that it ends with.
  template <class T>
  device::Outcome<T> await(boost::asio::awaitable<T> work) {
    device::Outcome<T> outcome;
    boost::asio::co_spawn(loop_.context(), std::move(work),
                          [&](const std::exception_ptr& failure, T value) {
                            if (!failure) outcome.value = std::move(value);
                            try {
                              if (failure) std::rethrow_exception(failure);
                            } catch (const Error& error) {
                              outcome.error = error;
                            }
                            loop_.context().stop();
                          });
    loop_.run();
    loop_.context().restart();
    return outcome;
  }
  json::object done(boost::asio::awaitable<json::object> work) {
    auto outcome = await(std::move(work));
    EXPECT_TRUE(outcome.value) << outcome.error->what();
    return outcome.value.value_or(json::object());
  }
  Error refused(boost::asio::awaitable<json::object> work) {
    auto outcome = await(std::move(work));
    EXPECT_TRUE(outcome.error);
    return outcome.error.value_or(Error(ErrorKind::internal, "it was accepted"));
  }
  json::object create(const std::string& name, const std::string& use = "digest") {
    body_ = R"({"name":")" + name + R"(","type":"ec-p256","use":")" + use + "\"}";
    return done(admin_->create(0, body_));
  }
  // A signature over a digest; the error's kind where there is none.
  std::optional<ErrorKind> sign(const std::string& name) {
    const Catalogue::Entry key = service_->catalogue.find(name);
    const Intent intent =
        read_intent(Operation::sign_digest,
                    R"({"key":")" + name + R"(","algorithm":"ES256","encoding":"raw","digest":")" +
                        to_base64(sha256("message")) + "\"}",
                    service_->clock.now());
    const Forced forced;
    auto outcome = await(holdfast::sign(*service_, 0, intent, *key, *key->active(), forced));
    if (!outcome.error) return std::nullopt;
    return outcome.error->kind();
  }

  const test::Folder folder_;
  const std::shared_ptr<test::FakeDevice> device_ = test::FakeDevice::make();
  Loop loop_;
  std::optional<Store> store_;
  std::optional<Service> service_;
  std::optional<KeyAdmin> admin_;
  std::optional<device::ThreadServer> server_;
  device::Client* client_ = nullptr;
  std::string body_;  // of the call under way
};

}  // namespace holdfast
