#include "control/reconcile/policy_status.h"

#include <fmt/format.h>

#include "control/reconcile/conditions.h"

namespace weft::control::reconcile {
namespace {

Condition accepted(const World& world, const model::TrafficPolicy& policy) {
  for (const auto& target : policy.spec.target_refs) {
    const auto ref = ref_of(policy, target);
    const auto holder = world.policies().of(ref);
    if (holder && holder->metadata.name != policy.metadata.name) {
      return {"Accepted", "False", "Conflicted",
              fmt::format("the older TrafficPolicy {} holds for Service {}; remove it there, or here",
                          id_of(*holder), ref.name)};
    }
  }
  for (const auto& target : policy.spec.target_refs) {
    if (!world.services().contains(ref_of(policy, target)))
      return {"Accepted", "False", "TargetNotFound", fmt::format("there is no Service {}", target.name)};
  }
  return {"Accepted", "True", "Accepted", "it holds for all its Services"};
}

}  // namespace

base::Json policy_status(const World& world, const model::TrafficPolicy& policy, const base::Json& object,
                         base::WallTime now) {
  base::Json conditions = base::Json::array();
  add_condition(conditions, conditions_of(object), accepted(world, policy), policy.metadata.generation, now);
  return {{"observedGeneration", policy.metadata.generation}, {"conditions", std::move(conditions)}};
}

}  // namespace weft::control::reconcile
