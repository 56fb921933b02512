// What to create and what to stop, workload by workload.
#include <fmt/format.h>

#include <algorithm>

#include "base/counted.h"
#include "control/reconcile/engine.h"
#include "control/reconcile/rollout.h"
#include "control/reconcile/stop_order.h"
#include "control/reconcile/workload_status.h"

namespace weft::control::reconcile {
namespace {

InstancePtr named(const Workload& workload, const std::string& name) {
  const auto at =
      std::ranges::find(workload.instances, name, [](const auto& instance) { return instance->name; });
  return at == workload.instances.end() ? nullptr : *at;
}

/// An old instance that no new one can run beside.
bool holds_fixed_port(const Workload& workload, const Instance& instance) {
  return instance.has_process && instance.has_fixed_port() && !is_current(workload, instance);
}

bool has_process(const Workload& workload) {
  return std::ranges::any_of(workload.instances, [](const auto& instance) { return instance->has_process; });
}

}  // namespace

runtime::Task<bool> Engine::decide(Decision decision) {
  if (!decision) {
    rebuild();
    co_return true;
  }
  auto* workload = world_.find_workload(*decision);
  if (!workload || !is_adopted_) co_return true;
  if (is_rebuild_due_) {
    // It is decided on with what it depends on then.
    world_.mark(*decision);
    co_return true;
  }
  if (workload->job) {
    decide_job(*workload);
  } else {
    decide_deployment(*workload);
  }
  end_if_stopped();
  co_return true;
}

void Engine::decide_deployment(Workload& workload) {
  if (is_going(workload) || workload.replicas() == 0) return stop_instances(workload);
  workload.stops_after.reset();
  settle_instances(workload);
  const bool may = may_create(workload);
  std::vector<Candidate> candidates;
  for (const auto& instance : workload.instances) {
    candidates.push_back({instance->name, is_current(workload, *instance), instance->is_available(),
                          instance->is_leaving(), instance->number});
  }
  auto allowance = allowance_of(workload.deployment->spec);
  allowance.recreates |= std::ranges::any_of(
      workload.instances, [&](const auto& instance) { return holds_fixed_port(workload, *instance); });
  const auto rollout = plan_rollout(allowance, may, candidates);
  for (const auto& name : rollout.stop) {
    if (const auto instance = named(workload, name)) {
      record(*instance, EventType::normal, "Killing", "stops, for it is not needed any more");
      runner_.stop(*instance);
    }
  }
  for (int i = 0; i < rollout.create; ++i) runner_.start(workload);
}

void Engine::settle_instances(Workload& workload) {
  bool has_changed = false;
  for (const auto& instance : workload.instances) {
    if (!instance->ready || instance->is_leaving()) continue;
    // The clock on the wall may be set back.
    const auto waited = std::max(reactor_.clock().wall() - instance->ready_since, base::Duration::zero());
    const bool has_settled = waited >= workload.min_ready();
    if (!has_settled) decisions_.add_after(workload.ref, workload.min_ready() - waited);
    has_changed |= std::exchange(instance->has_settled, has_settled) != has_settled;
  }
  if (has_changed) touch(workload.ref);
}

void Engine::decide_job(Workload& workload) {
  if (is_going(workload)) return stop_instances(workload);
  workload.stops_after.reset();
  judge_job(workload);
  std::vector<InstancePtr> active;
  bool waits_for_others = false;
  // A copy: what is stopped may leave the list at once.
  const auto instances = workload.instances;
  for (const auto& instance : instances) {
    if (!is_own(workload, *instance)) {
      waits_for_others |= instance->has_process;
      runner_.stop(*instance);
    } else if (is_active_run(*instance)) {
      active.push_back(instance);
    }
  }
  const auto wanted = static_cast<std::size_t>(wanted_runs(workload));
  for (; active.size() > wanted; active.pop_back()) {
    record(*active.back(), EventType::normal, "Killing", "stops, for it is not needed any more");
    runner_.stop(*active.back());
  }
  if (wanted == 0) {
    if (!workload.is_over()) workload.run.started_at.reset();
    return set_gate(workload, Gate{}, false);
  }
  if (active.size() >= wanted || waits_for_others || !may_create(workload)) return;
  const auto now = reactor_.clock().now();
  if (now < workload.run.retry_at) return decisions_.add_after(workload.ref, workload.run.retry_at - now);
  if (!workload.run.started_at) workload.run.started_at = reactor_.clock().wall();
  for (auto i = active.size(); i < wanted; ++i) runner_.start(workload);
  watch_deadline(workload);
}

void Engine::watch_deadline(const Workload& workload) {
  const auto left = time_left(workload, reactor_.clock().wall());
  if (left && !workload.is_over()) decisions_.add_after(workload.ref, *left);
}

void Engine::judge_job(Workload& workload) {
  auto& run = workload.run;
  if (workload.is_over() || workload.job->spec.suspend) return;
  const auto left = time_left(workload, reactor_.clock().wall());
  const int failures = failed_runs(workload);
  if (has_succeeded(workload)) {
    run.is_complete = true;
    record(workload.ref, EventType::normal, "Completed", "the Job has completed");
  } else if (failures > workload.job->spec.backoff_limit) {
    std::string how;
    for (const auto& instance : workload.instances) {
      if (is_own(workload, *instance) && instance->last_exit)
        how = "; the last one with " + to_string(*instance->last_exit);
    }
    run.reason = "BackoffLimitExceeded";
    run.failure = fmt::format("{} of at most {} failed{}", failures,
                              base::counted(workload.job->spec.backoff_limit + 1, "run"), how);
  } else if (left && *left <= base::Duration::zero()) {
    run.reason = "DeadlineExceeded";
    run.failure = fmt::format("it ran for longer than its activeDeadlineSeconds ({})",
                              *workload.job->spec.active_deadline_seconds);
  } else {
    return watch_deadline(workload);
  }
  run.is_failed = !run.is_complete;
  if (run.is_failed) record(workload.ref, EventType::warning, run.reason, run.failure);
  touch(workload.ref);
  publisher_.request(workload.ref);
}

void Engine::stop_instances(Workload& workload) {
  set_gate(workload, Gate{}, false);
  const auto is_leaving = [&](const model::Ref& ref) {
    const auto* other = world_.find_workload(ref);
    return other && has_process(*other) &&
           (is_going(*other) || (other->deployment && other->replicas() == 0));
  };
  const auto* before =
      has_process(workload) ? must_stop_before(world_.stop_edges(), workload.ref, is_leaving) : nullptr;
  const bool waits = before != nullptr;
  const auto stops_after = waits ? std::optional(*before) : std::nullopt;
  if (workload.stops_after != stops_after) {
    workload.stops_after = stops_after;
    reports_.add(key_of(workload.ref));
  }
  const auto instances = workload.instances;
  for (const auto& instance : instances) {
    // Without a process it is in nobody's way, and must not be started again meanwhile.
    if (instance->is_told_to_go || (waits && instance->has_process)) continue;
    if (instance->has_process) record(*instance, EventType::normal, "Killing", "stops");
    runner_.stop(*instance);
  }
}

bool Engine::may_create(Workload& workload) {
  const auto index = world_.graph().find(workload.ref);
  if (!index || !find_provider(workload)) return false;
  const bool has_begun = std::ranges::any_of(workload.instances, [&](const auto& instance) {
    return !instance->is_leaving() &&
           (workload.job ? is_own(workload, *instance) : is_current(workload, *instance));
  });
  const auto now = reactor_.clock().now();
  const auto waited = workload.waiting_since ? now - *workload.waiting_since : base::Duration::zero();
  auto gate = evaluate_gate(
      world_.graph().workloads()[*index].dependencies, world_.graph().blocked_by(*index),
      [this](const model::Ref& ref) { return world_.state_of(ref); }, waited);
  const bool is_open = gate.is_open();
  if (!is_open && !has_begun && gate.next_timeout) decisions_.add_after(workload.ref, *gate.next_timeout);
  set_gate(workload, std::move(gate), !is_open && !has_begun);
  // What has begun is not held back when a dependency fails later.
  return is_open || has_begun;
}

void Engine::set_gate(Workload& workload, Gate gate, bool waits) {
  const bool changed = workload.gate.reason != gate.reason || workload.gate.message != gate.message ||
                       workload.waiting_since.has_value() != waits;
  if (waits && !workload.waiting_since) workload.waiting_since = reactor_.clock().now();
  if (!waits) workload.waiting_since.reset();
  workload.gate = std::move(gate);
  if (!changed) return;
  if (waits) {
    const bool is_fault = workload.gate.reason != GateReason::dependency_not_ready;
    record(workload.ref, is_fault ? EventType::warning : EventType::normal,
           std::string(to_string(workload.gate.reason)), workload.gate.message);
  }
  reports_.add(key_of(workload.ref));
  touch_services_of(workload.ref);
}

bool Engine::find_provider(Workload& workload) {
  const auto& annotations = workload.metadata().annotations;
  const auto at = annotations.find(std::string(model::annotation::provider));
  const std::string name = at == annotations.end() ? "process" : at->second;
  std::string fault;
  if (!world_.has_provider(name)) fault = "ProviderNotFound";
  if (workload.fault != fault) {
    workload.fault = fault;
    workload.fault_message = fault.empty() ? "" : fmt::format("there is no Provider \"{}\"", name);
    if (!fault.empty()) record(workload.ref, EventType::warning, fault, workload.fault_message);
    reports_.add(key_of(workload.ref));
    touch_services_of(workload.ref);
  }
  return fault.empty();
}

void Engine::stop_instance(const std::string& id) {
  const auto instance = world_.find_instance(id);
  if (!instance || instance->is_leaving()) return;
  record(*instance, EventType::normal, "Killing", "stops, for its Pod was deleted");
  runner_.stop(*instance);
}

bool Engine::is_restarted(const Instance& self) const {
  const auto* workload = world_.find_workload(self.workload);
  if (!workload || is_going(*workload)) return false;
  if (workload->deployment) return true;
  if (!is_own(*workload, self) || workload->is_over()) return false;
  // What could not be started at all is tried again, as Kubernetes does, and counts as no run.
  if (!self.last_exit) return true;
  if (self.last_exit->code == 0) return false;
  if (self.pod->restart_policy != model::RestartPolicy::on_failure) return false;
  return failed_runs(*workload) + 1 <= workload->job->spec.backoff_limit;
}

}  // namespace weft::control::reconcile
