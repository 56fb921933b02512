#include "control/reconcile/policy_status.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "control/reconcile/conditions.h"

namespace weft::control::reconcile {
namespace {

Condition accepted(const World& world, const model::TrafficPolicy& policy) {
  std::vector<std::string> faults;
  bool has_conflict = false;
  for (const auto& target : policy.spec.target_refs) {
    const auto ref = ref_of(policy, target);
    const auto holder = world.policies().first(ref);
    if (holder && holder->metadata.name != policy.metadata.name) {
      has_conflict = true;
      faults.push_back(
          fmt::format("the older TrafficPolicy {} holds for Service {}; remove it there, or here",
                      id_of(holder->metadata), ref.name));
    } else if (!world.services().contains(ref)) {
      faults.push_back(fmt::format("there is no Service {}", target.name));
    }
  }
  if (faults.empty()) return {"Accepted", "True", "Accepted", "it holds for all its Services"};
  return {"Accepted", "False", has_conflict ? "Conflicted" : "TargetNotFound",
          fmt::format("{}", fmt::join(faults, "; "))};
}

}  // namespace

base::Json policy_status(const World& world, const model::TrafficPolicy& policy, const base::Json& object,
                         base::WallTime now) {
  base::Json conditions = base::Json::array();
  add_condition(conditions, conditions_of(object), accepted(world, policy), policy.metadata.generation, now);
  return {{"observedGeneration", policy.metadata.generation}, {"conditions", std::move(conditions)}};
}

}  // namespace weft::control::reconcile
