// The status of Deployments and Jobs.
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "control/reconcile/conditions.h"
#include "control/reconcile/world.h"

namespace weft::control::reconcile {

/// The member `status` as it should be; `object` is the stored one.
base::Json deployment_status(const Workload& workload, const base::Json& object, base::WallTime now);
base::Json job_status(const Workload& workload, const base::Json& object, base::WallTime now);

/// The condition DependenciesReady: Unknown while something waits for it, False once a time limit has passed,
/// in a cycle, or when nothing waits any more.
Condition dependencies_ready(const Gate& gate, bool waits);

/// How many runs of a Job have failed, restarts in place counted; and how many instances of it ended so.
int failed_runs(const Workload& job);
int failed_instances(const Workload& job);
bool has_succeeded(const Workload& job);

/// Of the Job that it is now, not of a deleted one with the same name.
bool is_own(const Workload& job, const Instance& instance);

/// Reads back what a Job's stored status says about runs that the provider may have lost.
void restore_job(Workload& job, const base::Json& object);

}  // namespace weft::control::reconcile
