// The reverse order of dependency in which workloads stop. Pure.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "model/dependency.h"

namespace weft::control::reconcile {

/// Who depends on whom, readable both ways.
class StopEdges {
 public:
  void add(const model::Ref& dependent, const model::Ref& target);
  /// Takes away all that `dependent` depends on.
  void forget(const model::Ref& dependent);
  /// Those that `workload` depends on, and those that depend on it.
  const std::set<model::Ref>& targets(const model::Ref& workload) const { return at(targets_, workload); }
  const std::set<model::Ref>& dependents(const model::Ref& workload) const {
    return at(dependents_, workload);
  }

 private:
  using Edges = std::map<model::Ref, std::set<model::Ref>>;
  static const std::set<model::Ref>& at(const Edges& edges, const model::Ref& workload);

  Edges targets_;
  Edges dependents_;
};

/// The workload that `workload` must wait for before it stops: one that depends on it, is stopping too and
/// still has processes (`is_leaving`). Null if it may stop now. Two that depend on each other do not wait for
/// each other.
const model::Ref* must_stop_before(const StopEdges& edges, const model::Ref& workload,
                                   const std::function<bool(const model::Ref&)>& is_leaving);

}  // namespace weft::control::reconcile
