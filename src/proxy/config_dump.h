// Snapshots as JSON, for the admin interface.
#pragma once

#include "base/json_fwd.h"
#include "snapshot/snapshot.h"

namespace weft::proxy {

base::Json to_json(const snapshot::Snapshot& snapshot);

}  // namespace weft::proxy
