// Load on a daemon's socket: ours, which speaks HTTP, or an ssh-agent.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/samples.h"

namespace holdfast::bench {

enum class Protocol { http, agent };

struct Request {
  std::string message;  // whole
  int status = 200;     // that HTTP answers with
};

struct Load {
  Protocol protocol = Protocol::http;
  std::string socket;
  std::vector<Request> requests;
  int connections = 1;
  double seconds = 1, warm_up = 1;
  double rate = 0;  // requests per second, of all connections; 0: as many as are answered
  int processor = -1;
};

// Kept connections, each with one request under way at a time, taken from the requests in turn, for
// `seconds` after `warm_up`. Throws std::runtime_error on an answer that is not the expected one.
Samples run(const Load& load);

}  // namespace holdfast::bench
