// The reverse order of dependency in which workloads stop. Pure.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "model/dependency.h"

namespace weft::control::reconcile {

/// For each workload, those that it depends on.
using DependsOnEdges = std::map<model::Ref, std::set<model::Ref>>;

/// The workload that `workload` must wait for before it stops: one that depends on it, is stopping too and
/// still has processes (`is_leaving`). Null if it may stop now. Two that depend on each other do not wait for
/// each other.
const model::Ref* must_stop_before(const DependsOnEdges& edges, const model::Ref& workload,
                                   const std::function<bool(const model::Ref&)>& is_leaving);

}  // namespace weft::control::reconcile
