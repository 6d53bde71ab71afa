// What the log needs that no request asks for: records of the daemon's own doings, the counts of refusals, checkpoints,
// old details taken away. On the event loop's thread alone.
#pragma once

#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "daemon/service/denials.h"

namespace holdfast {

struct Service;

class LogKeeper {
 public:
  explicit LogKeeper(Service& service) : service_(service) {}

  void resume();  // from the checkpoints that are there and signed by a key of ours
  boost::asio::awaitable<void> run();
  // The counts, the record of the stop, and a checkpoint over all of it, if disk and device give it in time. Nothing
  // is served any more.
  boost::asio::awaitable<void> finish();

  // A log that can't be written says so itself.
  boost::asio::awaitable<void> record(std::string operation, std::string code, std::string reason);

 private:
  boost::asio::awaitable<void> write_counts(std::vector<Denials::Count> counts);
  boost::asio::awaitable<void> prune_details();
  boost::asio::awaitable<void> sign_last();

  Service& service_;
  bool stopping_ = false, writing_ = false;
};

}  // namespace holdfast
