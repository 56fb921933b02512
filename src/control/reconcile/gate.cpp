#include "control/reconcile/gate.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::control::reconcile {
namespace {

bool is_satisfied(model::DependencyCondition condition, const TargetState& state) {
  // What has completed has run and was as good as ready.
  switch (condition) {
    case model::DependencyCondition::started: return state.started || state.completed;
    case model::DependencyCondition::ready: return state.ready || state.completed;
    case model::DependencyCondition::completed: return state.completed;
  }
  return false;
}

std::string describe(const model::Dependency& dependency, const TargetState& state) {
  if (state.failed) return fmt::format("{} has {}", dependency.target.to_string(), state.detail);
  auto text =
      fmt::format("waiting for {} to be {}", dependency.target.to_string(), to_string(dependency.condition));
  if (!state.detail.empty()) text += fmt::format(" ({})", state.detail);
  return text;
}

/// Which of two reasons is told of.
int weight(GateReason reason) {
  return reason == GateReason::dependency_failed ? 2 : reason == GateReason::dependency_timeout ? 1 : 0;
}

}  // namespace

std::string_view to_string(GateReason reason) {
  switch (reason) {
    case GateReason::satisfied: return "Satisfied";
    case GateReason::dependency_missing: return "DependencyMissing";
    case GateReason::dependency_not_ready: return "DependencyNotReady";
    case GateReason::dependency_cycle: return "DependencyCycle";
    case GateReason::dependency_timeout: return "DependencyTimeout";
    case GateReason::dependency_failed: return "DependencyFailed";
  }
  return "Unknown";
}

Gate evaluate_gate(std::span<const model::Dependency> dependencies, const model::Cycle* cycle,
                   const std::function<TargetState(const model::Ref&)>& state, base::Duration waited) {
  Gate gate;
  int unsatisfied = 0;
  for (const auto& dependency : dependencies) {
    if (!dependency.gates) continue;
    std::string message;
    GateReason reason = GateReason::dependency_missing;
    if (dependency.exists) {
      const auto target = state(dependency.target);
      if (is_satisfied(dependency.condition, target)) continue;
      reason = target.failed ? GateReason::dependency_failed : GateReason::dependency_not_ready;
      message = describe(dependency, target);
    } else {
      message = fmt::format("{} does not exist (declared by {})", dependency.target.to_string(),
                            dependency.origin.to_string());
    }
    if (dependency.timeout && reason != GateReason::dependency_failed) {
      if (waited >= *dependency.timeout) {
        reason = GateReason::dependency_timeout;
        message = fmt::format("for more than {}: {}", base::format_duration(*dependency.timeout), message);
      } else {
        const auto left = *dependency.timeout - waited;
        gate.next_timeout = gate.next_timeout ? std::min(*gate.next_timeout, left) : left;
      }
    }
    // The first entry speaks, unless a later one has run out of time or never will be.
    const bool is_worse = weight(reason) > weight(gate.reason);
    if (unsatisfied++ == 0 || is_worse) {
      gate.reason = reason;
      gate.message = std::move(message);
    }
  }
  if (unsatisfied > 1) gate.message += fmt::format("; and {} more", unsatisfied - 1);
  if (cycle && unsatisfied > 0) {
    gate.reason = GateReason::dependency_cycle;
    gate.message = cycle->to_string();
  }
  return gate;
}

}  // namespace weft::control::reconcile
