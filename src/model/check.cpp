#include "model/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/nearest.h"
#include "model/codes.h"
#include "model/dependency.h"

namespace weft::model {
namespace {

using base::Severity;

/// Looks at a set of objects.
class Checker {
 public:
  explicit Checker(std::span<const Object> objects) : objects_(objects) {
    for (const Object& object : objects) {
      if (const auto* service = std::get_if<Service>(&object.resource)) services_.push_back(service);
      if (const auto* deployment = std::get_if<Deployment>(&object.resource))
        add_workload(deployments_, DependencyKind::deployment, *deployment);
      if (const auto* job = std::get_if<Job>(&object.resource))
        add_workload(jobs_, DependencyKind::job, *job);
    }
  }

  base::Diagnostics run() {
    DependencyGraph graph(services_, deployments_, jobs_);
    for (const Object& object : objects_) {
      if (const auto* service = std::get_if<Service>(&object.resource)) {
        check_dependencies(graph, object, DependencyKind::service, service->spec.depends_on);
        check_selector(graph, object, *service);
      } else if (const auto* deployment = std::get_if<Deployment>(&object.resource)) {
        check_dependencies(graph, object, DependencyKind::deployment, deployment->spec.depends_on);
      } else if (const auto* job = std::get_if<Job>(&object.resource)) {
        check_dependencies(graph, object, DependencyKind::job, job->spec.depends_on);
      } else if (const auto* policy = std::get_if<TrafficPolicy>(&object.resource)) {
        check_targets(graph, object, *policy);
      }
    }
    for (const Cycle& cycle : graph.cycles()) report_cycle(cycle);
    findings_.sort();
    return std::move(findings_);
  }

 private:
  template <class T>
  void add_workload(std::vector<const T*>& list, DependencyKind kind, const T& workload) {
    list.push_back(&workload);
    containers_[{kind, workload.metadata.ns, workload.metadata.name}] =
        &workload.spec.pod_template.spec.containers.front();
  }

  void add(const Object& object, Severity severity, std::string_view code, std::string field,
           std::string message, std::string mend) {
    findings_.add(severity, [&] {
      base::Diagnostic diagnostic;
      if (object.source) {
        const yaml::Node* value = yaml::find_path(object.node, field);
        bool is_scalar = value && !value->is_map() && !value->is_list();
        base::Position position = is_scalar ? value->position : yaml::locate(object.node, field);
        diagnostic = object.source->error(code, position, std::move(message), std::move(mend));
      } else {
        diagnostic = {.code = std::string(code), .message = std::move(message), .mend = std::move(mend)};
      }
      diagnostic.severity = severity;
      diagnostic.field = std::move(field);
      return diagnostic;
    });
  }

  /// The nearest name of that kind and namespace, and of the other kinds if there is none; empty if nothing
  /// is near.
  std::string nearest_target(const Ref& target) const {
    std::vector<std::string_view> same_kind;
    std::vector<std::pair<std::string_view, std::string_view>> others;  // kind, name
    for (const Object& object : objects_) {
      const ObjectMeta& metadata = metadata_of(object.resource);
      std::string_view kind = kind_of(object.resource);
      bool can_be_target = kind == "Service" || kind == "Deployment" || kind == "Job";
      if (!can_be_target || metadata.ns != target.ns) continue;
      if (kind == to_string(target.kind))
        same_kind.push_back(metadata.name);
      else if (metadata.name == target.name)
        others.emplace_back(kind, metadata.name);
    }
    if (std::string_view near = base::nearest(target.name, same_kind); !near.empty())
      return fmt::format("Did you mean `{}`?", near);
    // A name with the kind in it ("web-deployment") is a common slip that no edit distance sees.
    for (std::string_view name : same_kind) {
      bool is_part = target.name.starts_with(fmt::format("{}-", name)) ||
                     target.name.ends_with(fmt::format("-{}", name));
      if (is_part) return fmt::format("Did you mean `{}`?", name);
    }
    if (!others.empty())
      return fmt::format("There is a {} of that name: write `kind: {}`.", others.front().first,
                         others.front().first);
    return {};
  }

  void check_dependencies(const DependencyGraph& graph, const Object& object, DependencyKind kind,
                          const std::vector<DependsOn>& entries) {
    const ObjectMeta& metadata = metadata_of(object.resource);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      Ref target{entries[i].kind, entries[i].ns.empty() ? metadata.ns : entries[i].ns, entries[i].name};
      if (graph.exists(target)) continue;
      bool waits = !entries[i].optional;
      // Each search looks at all objects, and what is only counted needs no mend.
      std::string mend = findings_.is_full(Severity::warning) ? std::string() : nearest_target(target);
      if (mend.empty())
        mend =
            fmt::format("Apply the {} `{}` too, or remove the entry.", to_string(target.kind), target.name);
      add(object, Severity::warning, code::missing_dependency, fmt::format("spec.dependsOn[{}].name", i),
          fmt::format("{} `{}` depends on the {} `{}`, which does not exist{}", to_string(kind),
                      metadata.name, to_string(target.kind), target.name,
                      waits ? ": it will wait for it" : ""),
          std::move(mend));
    }
  }

  void check_targets(const DependencyGraph& graph, const Object& object, const TrafficPolicy& policy) {
    for (std::size_t i = 0; i < policy.spec.target_refs.size(); ++i) {
      const Ref target{DependencyKind::service, policy.metadata.ns, policy.spec.target_refs[i].name};
      std::string field = fmt::format("spec.targetRefs[{}].name", i);
      auto [holder, is_first] = policies_.emplace(target, &policy);
      if (!is_first)
        add(object, Severity::warning, code::policy_conflict, std::move(field),
            fmt::format("TrafficPolicy `{}` is for Service `{}` too: of several the oldest holds",
                        holder->second->metadata.name, target.name),
            "Write both into one policy.");
      else if (!graph.exists(target))
        add(object, Severity::warning, code::missing_target, std::move(field),
            fmt::format("TrafficPolicy `{}` is for the Service `{}`, which does not exist",
                        policy.metadata.name, target.name),
            findings_.is_full(Severity::warning) ? std::string() : nearest_target(target));
    }
  }

  void check_selector(const DependencyGraph& graph, const Object& object, const Service& service) {
    std::vector<const Container*> containers;
    std::vector<std::string> names;
    for (std::size_t index :
         graph.behind({DependencyKind::service, service.metadata.ns, service.metadata.name})) {
      const Ref& ref = graph.workloads()[index].ref;
      containers.push_back(containers_.at(ref));
      names.push_back(fmt::format("{} `{}`", to_string(ref.kind), ref.name));
    }
    if (containers.empty()) {
      std::string wanted =
          to_string(LabelSelector{.match_labels = service.spec.selector, .match_expressions = {}});
      add(object, Severity::warning, code::selects_nothing, "spec.selector",
          wanted.empty()
              ? fmt::format("Service `{}` has no selector: it will have no endpoints", service.metadata.name)
              : fmt::format("no Deployment or Job has the labels {} that Service `{}` selects", wanted,
                            service.metadata.name),
          "Give `spec.selector` the labels of a Deployment's template.");
      return;
    }
    for (std::size_t i = 0; i < service.spec.ports.size(); ++i)
      for (std::size_t at = 0; at < containers.size(); ++at)
        check_port(object, service, i, *containers[at], names[at]);
  }

  void check_port(const Object& object, const Service& service, std::size_t index, const Container& container,
                  const std::string& workload) {
    const IntOrString& wanted = service.spec.ports[index].target_port;
    // Without a list, the image says which ports there are.
    if (container.ports.empty()) return;
    std::vector<std::string> there;
    for (const ContainerPort& port : container.ports) {
      bool is_it = wanted.number() ? *wanted.number() == port.container_port : *wanted.name() == port.name;
      if (is_it) return;
      there.push_back(port.name.empty() ? std::to_string(port.container_port)
                                        : fmt::format("{} ({})", port.container_port, port.name));
    }
    bool is_written =
        !object.source || yaml::find_path(object.node, fmt::format("spec.ports[{}].targetPort", index));
    std::string field = fmt::format("spec.ports[{}].{}", index, is_written ? "targetPort" : "port");
    add(object, Severity::warning, code::target_port_mismatch, std::move(field),
        fmt::format("targetPort {} is no containerPort of {} (containerPort {}): the Service will have no "
                    "endpoints there",
                    wanted.to_string(), workload, fmt::join(there, ", ")),
        there.size() == 1
            ? fmt::format("Write `targetPort: {}`, or `containerPort: {}` in {}.",
                          container.ports.front().container_port,
                          wanted.number() ? *wanted.number() : container.ports.front().container_port,
                          workload)
            : "Write one of these as targetPort, or add the port to the container.");
  }

  /// At the entry that closes the circle.
  void report_cycle(const Cycle& cycle) {
    const base::Origin& origin = cycle.origins.back();
    for (const Object& object : objects_) {
      const ObjectMeta& metadata = metadata_of(object.resource);
      if (kind_of(object.resource) != origin.kind || metadata.ns != origin.ns || metadata.name != origin.name)
        continue;
      add(object, Severity::error, code::dependency_cycle, origin.field + ".name",
          fmt::format("the dependencies go in a circle: {}", cycle.to_string()),
          "Remove one of these entries, or mark it `optional: true`.");
      return;
    }
  }

  std::span<const Object> objects_;
  std::vector<const Service*> services_;
  std::vector<const Deployment*> deployments_;
  std::vector<const Job*> jobs_;
  std::map<Ref, const TrafficPolicy*> policies_;  // the first for each Service
  std::map<Ref, const Container*> containers_;    // the first of each workload
  base::Diagnostics findings_;
};

}  // namespace

base::Diagnostics check(std::span<const Object> objects) { return Checker(objects).run(); }

}  // namespace weft::model
