#include "control/reconcile/stop_order.h"

#include <vector>

namespace weft::control::reconcile {
namespace {

/// Whether `from` depends on `to`, directly or not.
bool reaches(const StopEdges& edges, const model::Ref& from, const model::Ref& to) {
  std::set<model::Ref> seen{from};
  std::vector<model::Ref> open{from};
  while (!open.empty()) {
    const auto& targets = edges.targets(open.back());
    open.pop_back();
    for (const auto& next : targets) {
      if (next == to) return true;
      if (seen.insert(next).second) open.push_back(next);
    }
  }
  return false;
}

}  // namespace

void StopEdges::add(const model::Ref& dependent, const model::Ref& target) {
  if (targets_[dependent].insert(target).second) dependents_[target].insert(dependent);
}

void StopEdges::forget(const model::Ref& dependent) {
  const auto known = targets_.extract(dependent);
  if (!known) return;
  for (const auto& target : known.mapped()) {
    const auto back = dependents_.find(target);
    back->second.erase(dependent);
    if (back->second.empty()) dependents_.erase(back);
  }
}

const std::set<model::Ref>& StopEdges::at(const Edges& edges, const model::Ref& workload) {
  static const std::set<model::Ref> none;
  const auto found = edges.find(workload);
  return found == edges.end() ? none : found->second;
}

const model::Ref* must_stop_before(const StopEdges& edges, const model::Ref& workload,
                                   const std::function<bool(const model::Ref&)>& is_leaving) {
  for (const auto& dependent : edges.dependents(workload)) {
    if (dependent == workload || !is_leaving(dependent)) continue;
    if (!reaches(edges, workload, dependent)) return &dependent;
  }
  return nullptr;
}

}  // namespace weft::control::reconcile
