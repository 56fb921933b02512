// The dependency graph, pure: who waits for whom, in which order to start and stop, and where it is a circle.
#pragma once

#include <compare>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/origin.h"
#include "model/resource.h"

namespace weft::model {

/// Names a Service, Deployment or Job.
struct Ref {
  DependencyKind kind = DependencyKind::deployment;
  std::string ns;
  std::string name;

  friend bool operator==(const Ref&, const Ref&) = default;
  friend auto operator<=>(const Ref&, const Ref&) = default;
  /// "Deployment default/web".
  std::string to_string() const;
};

/// What one workload waits for or calls: an entry of its own dependsOn, or of a Service that selects it.
struct Dependency {
  Ref target;
  DependencyCondition condition = DependencyCondition::ready;
  bool optional = false;
  std::optional<base::Duration> timeout;
  /// The entry that says so: kind, namespace and name of the declaring resource, "spec.dependsOn[0]".
  base::Origin origin;
  /// The target resource is there.
  bool exists = false;
  /// Whether to wait for it: not for an optional one, nor for the workload itself.
  bool gates = true;
};

struct Workload {
  /// A Deployment or a Job.
  Ref ref;
  /// Names of the Services of its namespace that select it, sorted.
  std::vector<std::string> services;
  /// Its own entries first, then those of its Services; equal targets with the same condition only once.
  std::vector<Dependency> dependencies;
};

/// A -> B -> A, as references; the first is repeated at the end. `origins` are the entries, one for each
/// arrow (empty where the arrow is a Service's way to its own workload).
struct Cycle {
  std::vector<Ref> path;
  std::vector<base::Origin> origins;
  /// "web -> cart -> web", with kinds and namespaces where they are needed to tell.
  std::string to_string() const;
};

class DependencyGraph {
 public:
  /// From all Services, Deployments and Jobs of a mesh; pointers must be valid during the call only.
  DependencyGraph(std::span<const Service* const> services, std::span<const Deployment* const> deployments,
                  std::span<const Job* const> jobs);

  /// Sorted by reference; indices elsewhere are into this list.
  const std::vector<Workload>& workloads() const { return workloads_; }
  std::optional<std::size_t> find(const Ref& workload) const;
  /// Indices of the workloads that a Service selects, a Deployment or Job itself; empty if it does not exist.
  std::span<const std::size_t> behind(const Ref& ref) const;
  bool exists(const Ref& ref) const;
  /// A Service's own entries, as every workload has them that it selects.
  std::vector<Dependency> dependencies_of(const Service& service) const;

  /// Workloads that may start together, the first layer first; every workload is in exactly one. Only entries
  /// that gate count. Members of a cycle share a layer.
  std::vector<std::vector<std::size_t>> start_order() const;
  /// One cycle for each group of resources that wait for each other, a shortest. An entry that names its own
  /// resource is one too, although nothing waits for itself.
  const std::vector<Cycle>& cycles() const { return cycles_; }
  /// The cycle that keeps this workload from starting: it is in it, or waits for one that is. Null if there
  /// is none.
  const Cycle* blocked_by(std::size_t workload) const;

  /// All that `workload` waits for, directly or not (without itself unless it is in a cycle), sorted.
  std::vector<std::size_t> closure(std::size_t workload) const;
  /// Those that wait for `workload` directly, sorted.
  std::span<const std::size_t> dependents(std::size_t workload) const { return dependents_[workload]; }

 private:
  /// What has been found of one workload while the graph is made.
  struct Found;
  /// What an entry means to anyone but the workload that it names. `service`: whose it is; null for a
  /// workload's.
  Dependency read(const DependsOn& entry, base::Origin origin, const Service* service) const;
  void add_dependency(std::size_t workload, Dependency dependency, Found& found);
  void find_cycles(std::span<const Service* const> services);

  std::vector<Workload> workloads_;
  std::map<Ref, std::vector<std::size_t>> behind_;
  std::vector<std::vector<std::size_t>> gates_;       // for each workload, those it waits for, sorted
  std::vector<std::vector<std::size_t>> dependents_;  // the same arrows, the other way, sorted
  std::vector<Cycle> cycles_;
  std::vector<std::optional<std::size_t>> blocked_by_;  // for each workload, an index into cycles_
};

}  // namespace weft::model
