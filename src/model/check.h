// What is wrong between resources: dependencies that lead nowhere or in a circle, ports that no container
// has.
#pragma once

#include <span>

#include "base/diagnostic.h"
#include "model/load.h"

namespace weft::model {

/// Findings about a set of objects taken as the whole: errors for cycles and for a local port
/// that two Services ask for; warnings for a dependency that does
/// not exist (with the nearest that does), a targetPort that is no containerPort of what the selector
/// matches, and a selector that matches nothing. Ordered by file and position.
base::Diagnostics check(std::span<const Object> objects);

}  // namespace weft::model
