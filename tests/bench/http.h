// Load on a daemon's socket: ours, which speaks HTTP, or an ssh-agent.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/samples.h"

namespace holdfast::bench {

enum class Protocol { http, agent };

// `connections` kept connections, each with one request under way at a time, taken from `requests` in
// turn (whole messages), for `seconds` after a second of warming up. Throws std::runtime_error on
// a refusal.
Samples load(Protocol protocol, const std::string& socket, const std::vector<std::string>& requests,
             int connections, double seconds, int processor);

}  // namespace holdfast::bench
