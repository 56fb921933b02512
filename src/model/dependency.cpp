#include "model/dependency.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>
#include <tuple>
#include <utility>

namespace weft::model {
namespace {

/// One node waits for another, because an entry names `target`.
struct Arrow {
  std::size_t to = 0;
  const Ref* target = nullptr;
  const base::Origin* origin = nullptr;
};
using Arrows = std::vector<std::vector<Arrow>>;

Ref target_of(const DependsOn& entry, const std::string& own_ns) {
  return {entry.kind, entry.ns.empty() ? own_ns : entry.ns, entry.name};
}

base::Origin origin_of(std::string_view kind, const ObjectMeta& metadata, std::size_t index) {
  return {std::string(kind), metadata.ns, metadata.name, fmt::format("spec.dependsOn[{}]", index)};
}

/// Groups of nodes that reach each other, in an order in which a group comes after all that it points to
/// (Tarjan 1972). With its own stack, for a chain may be as long as the mesh is big.
class Groups {
 public:
  explicit Groups(std::vector<std::vector<std::size_t>> arrows)
      : arrows_(std::move(arrows)),
        index_(arrows_.size(), unseen),
        low_(arrows_.size()),
        on_stack_(arrows_.size()),
        group_of_(arrows_.size()) {
    for (std::size_t node = 0; node < arrows_.size(); ++node)
      if (index_[node] == unseen) visit(node);
  }

  const std::vector<std::vector<std::size_t>>& groups() const { return groups_; }
  std::size_t group_of(std::size_t node) const { return group_of_[node]; }

 private:
  static constexpr std::size_t unseen = SIZE_MAX;
  struct Step {
    std::size_t node;
    std::size_t next = 0;
  };

  void enter(std::size_t node) {
    index_[node] = low_[node] = count_++;
    stack_.push_back(node);
    on_stack_[node] = true;
    steps_.push_back({node});
  }

  void visit(std::size_t root) {
    enter(root);
    while (!steps_.empty()) {
      std::size_t node = steps_.back().node;
      if (steps_.back().next < arrows_[node].size()) {
        std::size_t to = arrows_[node][steps_.back().next++];
        if (index_[to] == unseen)
          enter(to);
        else if (on_stack_[to])
          low_[node] = std::min(low_[node], index_[to]);
        continue;
      }
      steps_.pop_back();
      if (!steps_.empty()) low_[steps_.back().node] = std::min(low_[steps_.back().node], low_[node]);
      if (low_[node] == index_[node]) close(node);
    }
  }

  void close(std::size_t root) {
    std::vector<std::size_t> group;
    std::size_t node = 0;
    do {
      node = stack_.back();
      stack_.pop_back();
      on_stack_[node] = false;
      group_of_[node] = groups_.size();
      group.push_back(node);
    } while (node != root);
    std::ranges::sort(group);
    groups_.push_back(std::move(group));
  }

  std::vector<std::vector<std::size_t>> arrows_;
  std::vector<std::size_t> index_, low_;
  std::vector<bool> on_stack_;
  std::vector<std::size_t> group_of_;
  std::vector<std::vector<std::size_t>> groups_;
  std::vector<std::size_t> stack_;
  std::vector<Step> steps_;
  std::size_t count_ = 0;
};

/// A shortest way from `start` back to itself; empty if there is none.
std::vector<const Arrow*> shortest_circle(const Arrows& arrows, std::size_t start) {
  struct Came {
    std::size_t from = 0;
    const Arrow* by = nullptr;
  };
  std::map<std::size_t, Came> came;
  std::deque<std::size_t> queue{start};
  while (!queue.empty()) {
    std::size_t node = queue.front();
    queue.pop_front();
    for (const Arrow& arrow : arrows[node]) {
      if (arrow.to != start) {
        if (came.emplace(arrow.to, Came{node, &arrow}).second) queue.push_back(arrow.to);
        continue;
      }
      std::vector<const Arrow*> circle{&arrow};
      for (std::size_t at = node; at != start; at = came[at].from) circle.push_back(came[at].by);
      std::ranges::reverse(circle);
      return circle;
    }
  }
  return {};
}

Cycle cycle_of(const std::vector<const Arrow*>& circle) {
  Cycle cycle;
  cycle.path.push_back(*circle.back()->target);
  for (const Arrow* arrow : circle) {
    cycle.path.push_back(*arrow->target);
    cycle.origins.push_back(*arrow->origin);
  }
  return cycle;
}

std::vector<std::vector<std::size_t>> targets_of(const Arrows& arrows) {
  std::vector<std::vector<std::size_t>> targets(arrows.size());
  for (std::size_t node = 0; node < arrows.size(); ++node)
    for (const Arrow& arrow : arrows[node]) targets[node].push_back(arrow.to);
  return targets;
}

/// Services by the first pair of their selector, so that a workload looks at few of them.
class SelectorIndex {
 public:
  explicit SelectorIndex(std::span<const Service* const> services) {
    for (const Service* service : services) {
      const Labels& selector = service->spec.selector;
      if (!selector.empty()) by_pair_[{service->metadata.ns, *selector.begin()}].push_back(service);
    }
  }

  std::vector<const Service*> selecting(const std::string& ns, const Labels& labels) const {
    std::vector<const Service*> found;
    for (const auto& pair : labels) {
      auto at = by_pair_.find({ns, pair});
      if (at == by_pair_.end()) continue;
      for (const Service* service : at->second)
        if (service_selects(service->spec.selector, labels)) found.push_back(service);
    }
    std::ranges::sort(found, {},
                      [](const Service* service) -> const std::string& { return service->metadata.name; });
    return found;
  }

 private:
  std::map<std::pair<std::string, std::pair<std::string, std::string>>, std::vector<const Service*>> by_pair_;
};

/// A set of indices below a number, cleared at no cost: many Services may select many workloads, so that one
/// is named far more often than there are workloads.
class Marks {
 public:
  explicit Marks(std::size_t size) : marked_in_(size) {}
  void clear() {
    ++round_;
    count_ = 0;
  }
  /// False if it was in.
  bool add(std::size_t index) {
    if (std::exchange(marked_in_[index], round_) == round_) return false;
    ++count_;
    return true;
  }
  std::size_t count() const { return count_; }

 private:
  std::vector<std::size_t> marked_in_;
  std::size_t round_ = 0;
  std::size_t count_ = 0;
};

/// A workload while the graph is made.
struct Draft {
  Ref ref;
  const ObjectMeta* metadata = nullptr;
  const Labels* labels = nullptr;
  const std::vector<DependsOn>* entries = nullptr;
  std::vector<const Service*> services;
};

std::vector<Draft> drafts_of(std::span<const Service* const> services,
                             std::span<const Deployment* const> deployments,
                             std::span<const Job* const> jobs) {
  std::vector<Draft> drafts;
  auto add = [&](DependencyKind kind, const auto& workload) {
    const auto& spec = workload.spec;
    drafts.push_back({.ref = {kind, workload.metadata.ns, workload.metadata.name},
                      .metadata = &workload.metadata,
                      .labels = &spec.pod_template.metadata.labels,
                      .entries = &spec.depends_on,
                      .services = {}});
  };
  for (const Deployment* deployment : deployments) add(DependencyKind::deployment, *deployment);
  for (const Job* job : jobs) add(DependencyKind::job, *job);
  std::ranges::sort(drafts, {}, &Draft::ref);
  SelectorIndex index(services);
  for (Draft& draft : drafts) draft.services = index.selecting(draft.ref.ns, *draft.labels);
  return drafts;
}

std::string label_of(const Ref& ref, bool with_kind, bool with_ns) {
  return fmt::format("{}{}{}{}{}", with_kind ? to_string(ref.kind) : "", with_kind ? " " : "",
                     with_ns ? ref.ns : "", with_ns ? "/" : "", ref.name);
}

}  // namespace

struct DependencyGraph::Found {
  Marks& gated;
  std::set<std::tuple<Ref, DependencyCondition, bool>> known;
};

std::string Ref::to_string() const { return label_of(*this, true, true); }

std::string Cycle::to_string() const {
  std::set<std::string> namespaces;
  std::set<DependencyKind> kinds;
  for (const Ref& ref : path) {
    namespaces.insert(ref.ns);
    kinds.insert(ref.kind);
  }
  std::string text;
  for (const Ref& ref : path) {
    if (!text.empty()) text += " -> ";
    text += label_of(ref, kinds.size() > 1, namespaces.size() > 1);
  }
  return text;
}

DependencyGraph::DependencyGraph(std::span<const Service* const> services,
                                 std::span<const Deployment* const> deployments,
                                 std::span<const Job* const> jobs) {
  std::vector<Draft> drafts = drafts_of(services, deployments, jobs);
  for (const Service* service : services)
    behind_[{DependencyKind::service, service->metadata.ns, service->metadata.name}];
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    behind_[drafts[i].ref] = {i};
    Workload workload{.ref = drafts[i].ref, .services = {}, .dependencies = {}};
    for (const Service* service : drafts[i].services) {
      workload.services.push_back(service->metadata.name);
      behind_[{DependencyKind::service, service->metadata.ns, service->metadata.name}].push_back(i);
    }
    workloads_.push_back(std::move(workload));
  }
  gates_.resize(workloads_.size());
  dependents_.resize(workloads_.size());
  Marks gated(workloads_.size());
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    const Draft& draft = drafts[i];
    gated.clear();
    Found found{gated, {}};
    for (std::size_t entry = 0; entry < draft.entries->size(); ++entry) {
      auto origin = origin_of(model::to_string(draft.ref.kind), *draft.metadata, entry);
      add_dependency(i, read((*draft.entries)[entry], std::move(origin), nullptr), found);
    }
    for (const Service* service : draft.services)
      for (auto& dependency : dependencies_of(*service)) add_dependency(i, std::move(dependency), found);
    std::ranges::sort(gates_[i]);
    for (std::size_t to : gates_[i]) dependents_[to].push_back(i);
  }
  find_cycles(services);
}

Dependency DependencyGraph::read(const DependsOn& entry, base::Origin origin, const Service* service) const {
  Dependency dependency{.target = target_of(entry, origin.ns),
                        .condition = entry.condition,
                        .optional = entry.optional,
                        .timeout = entry.timeout,
                        .origin = std::move(origin),
                        .exists = false,
                        .gates = !entry.optional};
  dependency.exists = exists(dependency.target);
  if (service && entry.kind != DependencyKind::service && dependency.exists) {
    // What its own selector matches is what backs the Service, not something that it waits for.
    const auto backing = behind({DependencyKind::service, service->metadata.ns, service->metadata.name});
    if (std::ranges::binary_search(backing, behind(dependency.target).front())) dependency.gates = false;
  }
  return dependency;
}

std::vector<Dependency> DependencyGraph::dependencies_of(const Service& service) const {
  std::vector<Dependency> dependencies;
  const auto& entries = service.spec.depends_on;
  for (std::size_t i = 0; i < entries.size(); ++i)
    dependencies.push_back(read(entries[i], origin_of("Service", service.metadata, i), &service));
  return dependencies;
}

void DependencyGraph::add_dependency(std::size_t workload, Dependency dependency, Found& found) {
  const auto targets = behind(dependency.target);
  if (targets.size() == 1 && targets.front() == workload) dependency.gates = false;
  if (!found.known.emplace(dependency.target, dependency.condition, dependency.optional).second) return;
  if (dependency.gates && found.gated.count() + 1 < workloads_.size()) {
    for (const std::size_t to : targets)
      if (to != workload && found.gated.add(to)) gates_[workload].push_back(to);
  }
  workloads_[workload].dependencies.push_back(std::move(dependency));
}

/// The nodes are the workloads and, after them, the Services that have none: these can only wait for each
/// other.
void DependencyGraph::find_cycles(std::span<const Service* const> services) {
  std::vector<std::vector<Dependency>> unbacked;
  std::map<Ref, std::size_t> node_of;
  for (const Service* service : services) {
    Ref ref{DependencyKind::service, service->metadata.ns, service->metadata.name};
    if (!behind_[ref].empty()) continue;
    node_of[ref] = workloads_.size() + unbacked.size();
    unbacked.push_back(dependencies_of(*service));
  }
  Arrows arrows(workloads_.size() + unbacked.size());
  // The first way from one to another is enough.
  Marks reached(workloads_.size());
  auto add = [&](std::size_t from, const Ref& target, const base::Origin& origin) {
    if (auto at = node_of.find(target); at != node_of.end())
      return arrows[from].push_back({at->second, &target, &origin});
    const auto others = from < workloads_.size() ? workloads_.size() - 1 : workloads_.size();
    if (reached.count() == others) return;
    for (std::size_t to : behind(target))
      if (to != from && reached.add(to)) arrows[from].push_back({to, &target, &origin});
  };
  for (std::size_t i = 0; i < workloads_.size(); ++i) {
    reached.clear();
    for (const Dependency& dependency : workloads_[i].dependencies) {
      bool names_itself = !dependency.optional && dependency.target.name == dependency.origin.name &&
                          dependency.target.ns == dependency.origin.ns &&
                          to_string(dependency.target.kind) == dependency.origin.kind;
      if (names_itself) arrows[i].push_back({i, &dependency.target, &dependency.origin});
      if (dependency.gates) add(i, dependency.target, dependency.origin);
    }
  }
  for (std::size_t i = 0; i < unbacked.size(); ++i) {
    reached.clear();
    for (const Dependency& dependency : unbacked[i])
      if (dependency.gates) add(workloads_.size() + i, dependency.target, dependency.origin);
  }

  Groups groups(targets_of(arrows));
  std::vector<std::optional<std::size_t>> blocked(arrows.size());
  for (const std::vector<std::size_t>& group : groups.groups()) {
    bool is_circle = group.size() > 1;
    bool has_own = std::ranges::any_of(arrows[group.front()],
                                       [&](const Arrow& arrow) { return arrow.to == group.front(); });
    if (is_circle || has_own) cycles_.push_back(cycle_of(shortest_circle(arrows, group.front())));
    for (std::size_t node : group) {
      if (is_circle) blocked[node] = cycles_.size() - 1;
      for (const Arrow& arrow : arrows[node])
        if (!blocked[node] && arrow.to != node) blocked[node] = blocked[arrow.to];
    }
  }
  blocked_by_.assign(blocked.begin(), blocked.begin() + static_cast<std::ptrdiff_t>(workloads_.size()));
}

std::optional<std::size_t> DependencyGraph::find(const Ref& workload) const {
  auto at = std::ranges::lower_bound(workloads_, workload, {}, &Workload::ref);
  if (at == workloads_.end() || at->ref != workload) return {};
  return static_cast<std::size_t>(at - workloads_.begin());
}

std::span<const std::size_t> DependencyGraph::behind(const Ref& ref) const {
  auto at = behind_.find(ref);
  return at == behind_.end() ? std::span<const std::size_t>() : at->second;
}

bool DependencyGraph::exists(const Ref& ref) const { return behind_.contains(ref); }

std::vector<std::vector<std::size_t>> DependencyGraph::start_order() const {
  Groups groups(gates_);
  std::vector<std::size_t> layer_of(groups.groups().size());
  std::vector<std::vector<std::size_t>> layers;
  for (std::size_t group = 0; group < groups.groups().size(); ++group) {
    for (std::size_t node : groups.groups()[group])
      for (std::size_t to : gates_[node])
        if (groups.group_of(to) != group)
          layer_of[group] = std::max(layer_of[group], layer_of[groups.group_of(to)] + 1);
    if (layers.size() <= layer_of[group]) layers.resize(layer_of[group] + 1);
    std::ranges::copy(groups.groups()[group], std::back_inserter(layers[layer_of[group]]));
  }
  for (std::vector<std::size_t>& layer : layers) std::ranges::sort(layer);
  return layers;
}

const Cycle* DependencyGraph::blocked_by(std::size_t workload) const {
  return blocked_by_[workload] ? &cycles_[*blocked_by_[workload]] : nullptr;
}

std::vector<std::size_t> DependencyGraph::closure(std::size_t workload) const {
  std::set<std::size_t> seen;
  std::vector<std::size_t> open{workload};
  while (!open.empty()) {
    std::size_t node = open.back();
    open.pop_back();
    for (std::size_t to : gates_[node])
      if (seen.insert(to).second) open.push_back(to);
  }
  return {seen.begin(), seen.end()};
}

}  // namespace weft::model
