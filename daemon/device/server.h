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
// alone ends this process. A link that the core closed is waited out: its successor brings another. Throws
// where control fails, or a link whose other end is open still, as by a message that can't be read: the core
// is trusted, so that is a defect, and it gets another link only with another process.
void serve(int control, const Factory& open);

}  // namespace holdfast::device
