// The documents in which the Kubernetes API tells what it offers; kubectl asks for them first.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace weft::control::api {

/// /api, /apis, /api/v1, /apis/{group}, /apis/{group}/{version}; nothing for a group or version that does not
/// exist.
std::optional<base::Json> discovery(const std::vector<std::string>& segments);
/// /version: the Kubernetes API that is spoken, and weft's own version.
base::Json version_document();

}  // namespace weft::control::api
