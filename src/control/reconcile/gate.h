// The gate: whether a workload's dependencies let it start, and if not, why. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "model/dependency.h"

namespace weft::control::reconcile {

enum class GateReason : std::uint8_t {
  satisfied,
  dependency_missing,
  dependency_not_ready,
  dependency_cycle,
  dependency_timeout,
  /// A Job that it needs has failed for good.
  dependency_failed
};

/// The reason of the condition DependenciesReady, e.g. dependency_missing -> "DependencyMissing".
std::string_view to_string(GateReason reason);

/// How far a Service, Deployment or Job is.
struct TargetState {
  bool started = false;
  bool ready = false;
  bool completed = false;
  /// A Job that is not tried again.
  bool failed = false;
  /// What there is to say about it: "1 of 3 instances ready", "not started".
  std::string detail;
};

struct Gate {
  GateReason reason = GateReason::satisfied;
  /// The first entry that is not satisfied, and how many others there are; the way of a cycle.
  std::string message;
  /// When the next time limit of an unsatisfied entry passes, counted from now.
  std::optional<base::Duration> next_timeout;

  bool is_open() const { return reason == GateReason::satisfied; }
};

/// `state` tells how far an existing target is; `waited` is how long it has been waited for. `cycle` is the
/// one that keeps the workload from starting, if any.
Gate evaluate_gate(std::span<const model::Dependency> dependencies, const model::Cycle* cycle,
                   const std::function<TargetState(const model::Ref&)>& state, base::Duration waited);

}  // namespace weft::control::reconcile
