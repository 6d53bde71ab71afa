// The floor: what the kernel takes for the same bytes without a daemon.
#pragma once

#include <cstddef>

#include "tests/bench/samples.h"

namespace holdfast::bench {

// Round trips over Unix stream sockets of `request` bytes there and `reply` bytes back, through
// `processes` others in a row that pass them on (1: ping-pong; 2: a relay through three processes). We
// run on `own`, they on `others`.
Samples ping_pong(std::size_t request, std::size_t reply, int processes, double seconds, int own,
                  int others);

}  // namespace holdfast::bench
