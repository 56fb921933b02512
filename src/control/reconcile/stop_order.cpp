#include "control/reconcile/stop_order.h"

#include <vector>

namespace weft::control::reconcile {
namespace {

/// Whether `from` depends on `to`, directly or not.
bool reaches(const DependsOnEdges& edges, const model::Ref& from, const model::Ref& to) {
  std::set<model::Ref> seen{from};
  std::vector<model::Ref> open{from};
  while (!open.empty()) {
    const auto at = edges.find(open.back());
    open.pop_back();
    if (at == edges.end()) continue;
    for (const auto& next : at->second) {
      if (next == to) return true;
      if (seen.insert(next).second) open.push_back(next);
    }
  }
  return false;
}

}  // namespace

const model::Ref* must_stop_before(const DependsOnEdges& edges, const model::Ref& workload,
                                   const std::function<bool(const model::Ref&)>& is_leaving) {
  for (const auto& [dependent, targets] : edges) {
    if (dependent == workload || !targets.contains(workload) || !is_leaving(dependent)) continue;
    if (!reaches(edges, workload, dependent)) return &dependent;
  }
  return nullptr;
}

}  // namespace weft::control::reconcile
