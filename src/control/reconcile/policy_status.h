// The status of a TrafficPolicy.
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "control/reconcile/world.h"

namespace weft::control::reconcile {

/// The member `status` as it should be; `object` is the stored one. Accepted is False with the reason
/// Conflicted where an older policy holds for one of its Services, TargetNotFound where one does not exist
/// (Gateway API's reasons).
base::Json policy_status(const World& world, const model::TrafficPolicy& policy, const base::Json& object,
                         base::WallTime now);

}  // namespace weft::control::reconcile
