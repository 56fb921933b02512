#include "control/reconcile/rollout.h"

#include <algorithm>
#include <tuple>

namespace weft::control::reconcile {
namespace {

/// Those to stop first in front: not ready, then the youngest.
void order_for_stop(std::vector<const Candidate*>& list) {
  std::ranges::sort(list, [](const Candidate* a, const Candidate* b) {
    return std::tuple(a->ready, b->number) < std::tuple(b->ready, a->number);
  });
}

int count_ready(const std::vector<const Candidate*>& list) {
  return static_cast<int>(std::ranges::count_if(list, [](const Candidate* c) { return c->ready; }));
}

/// Moves the first `count` names from `list` to `stop`.
void stop_first(std::vector<const Candidate*>& list, int count, std::vector<std::string>& stop) {
  count = std::clamp(count, 0, static_cast<int>(list.size()));
  for (int i = 0; i < count; ++i) stop.push_back(list[static_cast<std::size_t>(i)]->name);
  list.erase(list.begin(), list.begin() + count);
}

}  // namespace

Rollout plan_rollout(int replicas, bool may_create, std::span<const Candidate> instances) {
  Rollout rollout;
  std::vector<const Candidate*> current;
  std::vector<const Candidate*> old;
  bool old_leaving = false;
  for (const auto& instance : instances) {
    if (instance.stopping) {
      old_leaving |= !instance.current;
    } else {
      (instance.current ? current : old).push_back(&instance);
    }
  }
  order_for_stop(current);
  order_for_stop(old);

  stop_first(current, static_cast<int>(current.size()) - replicas, rollout.stop);
  if (old.empty()) {
    if (may_create) rollout.create = std::max(0, replicas - static_cast<int>(current.size()));
    return rollout;
  }
  if (!may_create) {
    stop_first(old, static_cast<int>(current.size() + old.size()) - replicas, rollout.stop);
    return rollout;
  }

  stop_first(old, static_cast<int>(old.size()) - count_ready(old), rollout.stop);
  const int ready = count_ready(current) + count_ready(old);
  stop_first(old, ready - replicas, rollout.stop);

  const int wanted = std::max(0, replicas - static_cast<int>(current.size()));
  const int deficit = replicas - static_cast<int>(current.size() + old.size());
  const bool all_ready = count_ready(current) == static_cast<int>(current.size());
  const bool may_surge = !old.empty() && all_ready && !old_leaving && rollout.stop.empty();
  rollout.create = std::min(wanted, std::max(deficit, may_surge ? 1 : 0));
  return rollout;
}

}  // namespace weft::control::reconcile
