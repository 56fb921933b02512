// The status of an HTTPRoute.
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "control/reconcile/world.h"

namespace weft::control::reconcile {

/// Who writes the conditions of routes for the mesh.
inline constexpr const char* controller_name = "weft.dev/mesh";

/// The member `status` as it should be; `object` is the stored one, of which the parents of other controllers
/// stay. Gateway API's RouteStatus and nothing else, for each parent that is a Service: Accepted is False
/// with the reason NoMatchingParent where no port of it has the route's requests, ResolvedRefs with that of
/// the first backendRef that leads nowhere.
base::Json route_status(const World& world, const model::HTTPRoute& route, const base::Json& object,
                        base::WallTime now);

}  // namespace weft::control::reconcile
