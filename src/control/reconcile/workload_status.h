// The status of Deployments and Jobs.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/json.h"
#include "control/reconcile/conditions.h"
#include "control/reconcile/world.h"

namespace weft::control::reconcile {

/// The member `status` as it should be; `object` is the stored one.
base::Json deployment_status(const Workload& workload, const base::Json& object, base::WallTime now);
base::Json job_status(const Workload& workload, const base::Json& object, base::WallTime now);

/// Whether what is known of it is what is stored now.
bool is_observed(const Workload& workload, const base::Json& object);

/// When that status becomes another one by time alone: the end of a rollout's progress deadline, and of a
/// Job's ttlSecondsAfterFinished, after which it is to be deleted. Not positive: it is over.
std::optional<base::Duration> due_in(const Workload& workload, const base::Json& status, base::WallTime now);

/// The condition DependenciesReady: Unknown while something waits for it, False once a time limit has passed,
/// in a cycle, or when nothing waits any more.
Condition dependencies_ready(const Gate& gate, bool waits);

/// How many runs of a Job have failed, restarts in place counted; and how many instances of it ended so.
int failed_runs(const Workload& job);
int failed_instances(const Workload& job);
/// As many have succeeded as must, and none is left beside them.
bool has_succeeded(const Workload& job);

/// Whether a Job's instance is to run on, or again.
bool is_active_run(const Instance& instance);
/// How many of them there should be now.
int wanted_runs(const Workload& job);
/// What is left of its activeDeadlineSeconds; nothing if it has none or has not begun.
std::optional<base::Duration> time_left(const Workload& job, base::WallTime now);

/// Of the Job that it is now: not of a deleted one with the same name, nor of an earlier template.
bool is_own(const Workload& job, const Instance& instance);

/// Of one that is about to be forgotten: how it ended counts on, as Kubernetes counts Pods that were deleted.
void count_gone(Workload& job, const Instance& instance);

/// Reads back what a Job's stored status says: how far it was, and of runs that the provider may have lost.
void restore_job(Workload& job, const base::Json& object);

}  // namespace weft::control::reconcile
