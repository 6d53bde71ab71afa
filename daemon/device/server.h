// The device process: opens its device, executes commands, one after the other or as many at once as the
// device can, and opens it again when it fails. Parses nothing but the core's messages and the supervisor's.
#pragma once

#include <functional>
#include <memory>

#include "daemon/key/backend.h"

namespace holdfast::device {

using Factory = std::function<std::unique_ptr<Backend>()>;

// Serves until the supervisor says stop or its end of `control` closes. Takes the core's link from
// there, a new one replacing the old, and says {"ready":true} there when the device was opened first.
// The caller blocks signals before: an EINTR breaks ESAPI's context (FACTS), and the supervisor's word
// alone ends this process. Throws Error{internal} only where control itself fails.
void serve(int control, const Factory& open);

}  // namespace holdfast::device
