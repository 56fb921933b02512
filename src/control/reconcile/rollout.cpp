#include "control/reconcile/rollout.h"

#include <algorithm>
#include <tuple>

namespace weft::control::reconcile {
namespace {

/// Those to stop first in front: not available, then the youngest.
void order_for_stop(std::vector<const Candidate*>& list) {
  std::ranges::sort(list, [](const Candidate* a, const Candidate* b) {
    return std::tuple(a->available, b->number) < std::tuple(b->available, a->number);
  });
}

int count(const std::vector<const Candidate*>& list) { return static_cast<int>(list.size()); }

int count_available(const std::vector<const Candidate*>& list) {
  return static_cast<int>(std::ranges::count_if(list, [](const Candidate* c) { return c->available; }));
}

/// Moves the first `count` names from `list` to `stop`.
void stop_first(std::vector<const Candidate*>& list, int count, std::vector<std::string>& stop) {
  count = std::clamp(count, 0, static_cast<int>(list.size()));
  for (int i = 0; i < count; ++i) stop.push_back(list[static_cast<std::size_t>(i)]->name);
  list.erase(list.begin(), list.begin() + count);
}

}  // namespace

Allowance allowance_of(const model::DeploymentSpec& spec) {
  Allowance allowance{.replicas = spec.replicas};
  if (spec.strategy.type == model::StrategyType::recreate) {
    allowance.surge = 0;
    allowance.recreates = true;
    return allowance;
  }
  allowance.surge = spec.strategy.rolling_update.max_surge.rounded_up(spec.replicas);
  allowance.unavailable = spec.strategy.rolling_update.max_unavailable.rounded_down(spec.replicas);
  if (allowance.surge == 0 && allowance.unavailable == 0) allowance.unavailable = 1;
  return allowance;
}

Rollout plan_rollout(const Allowance& allowance, bool may_create, std::span<const Candidate> instances) {
  Rollout rollout;
  std::vector<const Candidate*> current;
  std::vector<const Candidate*> old;
  int leaving = 0;
  bool has_old = false;
  for (const auto& instance : instances) {
    has_old |= !instance.current;
    if (instance.stopping) {
      ++leaving;
    } else {
      (instance.current ? current : old).push_back(&instance);
    }
  }
  order_for_stop(current);
  order_for_stop(old);

  const int replicas = allowance.replicas;
  stop_first(current, count(current) - replicas, rollout.stop);
  if (!may_create) {
    stop_first(old, count(current) + count(old) - replicas, rollout.stop);
    return rollout;
  }
  if (allowance.recreates && has_old) {
    stop_first(old, count(old), rollout.stop);
    // What was begun beside an old one, before it was said that this does not work, begins anew.
    stop_first(current, count(current) - count_available(current), rollout.stop);
    return rollout;
  }
  stop_first(old, count(old) - count_available(old), rollout.stop);
  const int available = count_available(current) + count_available(old);
  stop_first(old, available - (replicas - allowance.unavailable), rollout.stop);

  const int there = count(current) + count(old) + leaving + static_cast<int>(rollout.stop.size());
  rollout.create = std::max(0, std::min(replicas - count(current), replicas + allowance.surge - there));
  return rollout;
}

}  // namespace weft::control::reconcile
