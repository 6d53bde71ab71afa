// What policy alone costs: decisions of one large policy in a loop.
#pragma once

#include "tests/bench/samples.h"

namespace holdfast::bench {

// `grants` grants, of which as many name each of `keys` keys, for as many callers, and a deny for each key. Every
// decision is for another key and caller, and allows. Throws std::runtime_error if one doesn't.
Samples decide(std::size_t grants, std::size_t keys, double seconds, int processor);

}  // namespace holdfast::bench
