// An instance as a Kubernetes Pod.
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "control/reconcile/world.h"

namespace weft::control::reconcile {

/// The whole object, with its status; `before` is the stored one or null (for the times of its conditions).
base::Json pod_of(const Workload& workload, const Instance& instance, const base::Json& before,
                  base::WallTime now);

}  // namespace weft::control::reconcile
