#include "model/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/nearest.h"
#include "model/codes.h"
#include "model/dependency.h"
#include "model/findings.h"
#include "model/protocol.h"
#include "model/variables.h"

namespace weft::model {
namespace {

using base::Severity;

/// Looks at a set of objects.
class Checker {
 public:
  explicit Checker(std::span<const Object> objects) : objects_(objects) {
    for (const Object& object : objects) {
      const ObjectMeta& metadata = metadata_of(object.resource);
      by_name_.emplace(Name(kind_of(object.resource), metadata.ns, metadata.name), &object);
      if (const auto* service = std::get_if<Service>(&object.resource)) services_.push_back(service);
      if (const auto* external = std::get_if<ExternalService>(&object.resource))
        services_.push_back(&externals_.emplace_back(as_service(*external)));
      if (const auto* deployment = std::get_if<Deployment>(&object.resource))
        add_workload(deployments_, DependencyKind::deployment, *deployment);
      if (const auto* job = std::get_if<Job>(&object.resource))
        add_workload(jobs_, DependencyKind::job, *job);
    }
  }

  base::Diagnostics run() {
    DependencyGraph graph(services_, deployments_, jobs_);
    for (const Object& object : objects_) {
      check_references(object);
      if (const auto* service = std::get_if<Service>(&object.resource)) {
        check_dependencies(graph, object, DependencyKind::service, service->spec.depends_on);
        check_local_ports(object, *service);
        check_selector(graph, object, *service);
        note_protocols(object, service->spec.ports);
      } else if (const auto* deployment = std::get_if<Deployment>(&object.resource)) {
        check_dependencies(graph, object, DependencyKind::deployment, deployment->spec.depends_on);
      } else if (const auto* job = std::get_if<Job>(&object.resource)) {
        check_dependencies(graph, object, DependencyKind::job, job->spec.depends_on);
      } else if (const auto* policy = std::get_if<TrafficPolicy>(&object.resource)) {
        check_targets(graph, object, *policy);
      } else if (const auto* route = std::get_if<HTTPRoute>(&object.resource)) {
        check_route(object, *route);
      } else if (const auto* external = std::get_if<ExternalService>(&object.resource)) {
        check_name(object);
        note_protocols(object, external->spec.ports);
      }
    }
    for (const Cycle& cycle : graph.cycles()) report_cycle(cycle);
    for (const Workload& workload : graph.workloads()) check_variables(workload);
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
           std::string message, Mend mend) {
    findings_.add(severity, [&] {
      const yaml::Node* value = yaml::find_path(object.node, field);
      bool is_scalar = value && !value->is_map() && !value->is_list();
      base::Position position = is_scalar ? value->position : yaml::locate(object.node, field);
      return report_of(object).make(severity, code, position, std::move(field), std::move(message),
                                    std::move(mend));
    });
  }

  static Report report_of(const Object& object) { return {.source = object.source.get()}; }

  /// The mend that writes `text` as the field's value.
  static Mend replace(const Object& object, std::string_view field, std::string words, std::string text) {
    const yaml::Node* value = yaml::find_path(object.node, field);
    return value ? report_of(object).replace(*value, std::move(words), std::move(text))
                 : Mend(std::move(words));
  }

  /// The nearest name of that kind and namespace, and of the other kinds if there is none. `entry` is the
  /// field.
  Mend nearest_target(const Object& by, const std::string& entry, const Ref& target) const {
    const auto did_you_mean = [&](std::string_view name) {
      return replace(by, entry + ".name", fmt::format("Did you mean `{}`?", name), std::string(name));
    };
    std::vector<std::string_view> same_kind;
    std::vector<std::pair<std::string_view, std::string_view>> others;  // kind, name
    for (const Object& object : objects_) {
      const ObjectMeta& metadata = metadata_of(object.resource);
      std::string_view kind = kind_of(object.resource);
      if (kind == ExternalService::kind) kind = Service::kind;
      bool can_be_target = kind == "Service" || kind == "Deployment" || kind == "Job";
      if (!can_be_target || metadata.ns != target.ns) continue;
      if (kind == to_string(target.kind))
        same_kind.push_back(metadata.name);
      else if (metadata.name == target.name)
        others.emplace_back(kind, metadata.name);
    }
    if (std::string_view near = base::nearest(target.name, same_kind); !near.empty())
      return did_you_mean(near);
    // A name with the kind in it ("web-deployment") is a common slip that no edit distance sees.
    for (std::string_view name : same_kind) {
      bool is_part = target.name.starts_with(fmt::format("{}-", name)) ||
                     target.name.ends_with(fmt::format("-{}", name));
      if (is_part) return did_you_mean(name);
    }
    if (!others.empty()) {
      const std::string kind(others.front().first);
      auto words = fmt::format("There is a {0} of that name: write `kind: {0}`.", kind);
      if (yaml::find_path(by.node, entry + ".kind"))
        return replace(by, entry + ".kind", std::move(words), kind);
      const yaml::Node* map = yaml::find_path(by.node, entry);
      return map ? report_of(by).insert(*map, std::move(words), "kind: " + kind) : Mend(std::move(words));
    }
    return fmt::format("Apply the {} `{}` too, or remove the entry.", to_string(target.kind), target.name);
  }

  void check_dependencies(const DependencyGraph& graph, const Object& object, DependencyKind kind,
                          const std::vector<DependsOn>& entries) {
    const ObjectMeta& metadata = metadata_of(object.resource);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      Ref target{entries[i].kind, entries[i].ns.empty() ? metadata.ns : entries[i].ns, entries[i].name};
      bool waits = !entries[i].optional;
      const auto entry = fmt::format("spec.dependsOn[{}]", i);
      if (graph.exists(target)) {
        if (waits) check_stays(object, entry, target);
        continue;
      }
      // Each search looks at all objects, and what is only counted needs no mend.
      Mend mend = findings_.is_full(Severity::warning) ? Mend("") : nearest_target(object, entry, target);
      add(object, Severity::warning, code::missing_dependency, entry + ".name",
          fmt::format("{} `{}` depends on the {} `{}`, which does not exist{}", to_string(kind),
                      metadata.name, to_string(target.kind), target.name,
                      waits ? ": it will wait for it" : ""),
          std::move(mend));
    }
  }

  /// A Job that is deleted after its end is not there at the next start of what depends on it.
  void check_stays(const Object& by, const std::string& entry, const Ref& target) {
    const Object* there =
        target.kind == DependencyKind::job ? find(Job::kind, target.ns, target.name) : nullptr;
    const auto* job = there ? std::get_if<Job>(&there->resource) : nullptr;
    if (!job || !job->spec.ttl_seconds_after_finished) return;
    add(by, Severity::warning, code::deleted_dependency, entry + ".name",
        fmt::format(
            "the Job `{}` is deleted {} s after its end (ttlSecondsAfterFinished): what depends on it and "
            "starts after that waits for it",
            target.name, *job->spec.ttl_seconds_after_finished),
        "Remove `ttlSecondsAfterFinished` from the Job, or mark this entry `optional: true`.");
  }

  /// Dependencies name both kinds alike.
  void check_name(const Object& object) {
    const ObjectMeta& metadata = metadata_of(object.resource);
    bool is_taken = std::ranges::any_of(objects_, [&](const Object& other) {
      const auto* service = std::get_if<Service>(&other.resource);
      return service && service->metadata.name == metadata.name && service->metadata.ns == metadata.ns;
    });
    if (!is_taken) return;
    add(object, Severity::error, code::duplicate_resource, "metadata.name",
        fmt::format("there is a Service `{}` too: what depends on that name could mean either",
                    metadata.name),
        "Rename one of the two, or remove it.");
  }

  void check_targets(const DependencyGraph& graph, const Object& object, const TrafficPolicy& policy) {
    for (std::size_t i = 0; i < policy.spec.target_refs.size(); ++i) {
      const Ref target{DependencyKind::service, policy.metadata.ns, policy.spec.target_refs[i].name};
      const auto entry = fmt::format("spec.targetRefs[{}]", i);
      const std::string field = entry + ".name";
      auto [holder, is_first] = policies_.emplace(target, &policy);
      if (!is_first)
        add(object, Severity::warning, code::policy_conflict, field,
            fmt::format("TrafficPolicy `{}` is for Service `{}` too: of several the oldest holds",
                        holder->second->metadata.name, target.name),
            "Write both into one policy.");
      else if (!graph.exists(target))
        add(object, Severity::warning, code::missing_target, field,
            fmt::format("TrafficPolicy `{}` is for the Service `{}`, which does not exist",
                        policy.metadata.name, target.name),
            findings_.is_full(Severity::warning) ? Mend("") : nearest_target(object, entry, target));
    }
  }

  void check_route(const Object& object, const HTTPRoute& route) {
    const auto& spec = route.spec;
    for (std::size_t i = 0; i < spec.parent_refs.size(); ++i) {
      const auto& parent = spec.parent_refs[i];
      if (!parent.is_service()) continue;
      const auto is_named = [&](const ServicePort& port) { return parent.names(port); };
      check_named(object, route, fmt::format("spec.parentRefs[{}]", i), parent.name,
                  parent.port != 0 ? "port" : "sectionName", is_named, "is for");
    }
    for (std::size_t rule = 0; rule < spec.rules.size(); ++rule) {
      for (std::size_t i = 0; i < spec.rules[rule].backend_refs.size(); ++i) {
        const auto& backend = spec.rules[rule].backend_refs[i];
        const auto entry = fmt::format("spec.rules[{}].backendRefs[{}]", rule, i);
        if (!backend.group.empty() || backend.kind != Service::kind) {
          add(object, Severity::warning, code::missing_target, entry + ".kind",
              fmt::format("requests for the {} `{}` are answered 500: it is no Service", backend.kind,
                          backend.name),
              "Name a Service.");
        } else if (!backend.ns.empty() && backend.ns != route.metadata.ns) {
          add(object, Severity::warning, code::missing_target, entry + ".namespace",
              fmt::format("requests for the Service `{}` are answered 500: it is in another namespace",
                          backend.name),
              "Name a Service of the route's own namespace.");
        } else {
          check_named(
              object, route, entry, backend.name, "port",
              [&](const ServicePort& port) { return port.port == backend.port; },
              "answers requests with 500 that go to");
        }
      }
    }
  }

  /// That the Service which an entry of a route names is there, with a port of which `is_named` is true.
  void check_named(const Object& object, const HTTPRoute& route, const std::string& entry,
                   const std::string& name, std::string_view port_field, auto is_named,
                   std::string_view does) {
    const Ref target{DependencyKind::service, route.metadata.ns, name};
    const Object* there = find(Service::kind, target.ns, name);
    const auto* service = there ? std::get_if<Service>(&there->resource) : nullptr;
    if (!service) {
      add(object, Severity::warning, code::missing_target, entry + ".name",
          fmt::format("HTTPRoute `{}` {} the Service `{}`, which does not exist", route.metadata.name, does,
                      name),
          findings_.is_full(Severity::warning) ? Mend("") : nearest_target(object, entry, target));
    } else if (std::ranges::none_of(service->spec.ports, is_named)) {
      add(object, Severity::warning, code::missing_target, fmt::format("{}.{}", entry, port_field),
          fmt::format("HTTPRoute `{}` {} a port that the Service `{}` does not have", route.metadata.name,
                      does, name),
          "Name one of its ports.");
    }
  }

  /// One Service alone can be called at a port.
  void check_local_ports(const Object& object, const Service& service) {
    for (std::size_t i = 0; i < service.spec.ports.size(); ++i) {
      const auto port = service.spec.ports[i].local_port;
      if (port == 0) continue;
      const auto [first, is_new] = local_ports_.emplace(port, &service);
      if (is_new || first->second == &service) continue;
      const bool is_node_port = service.spec.ports[i].node_port != 0;
      add(object, Severity::error, code::duplicate,
          is_node_port ? fmt::format("spec.ports[{}].nodePort", i)
                       : fmt::format("metadata.annotations[{}]", annotation::local_port),
          fmt::format("Service `{}` is to be called at {}, as Service `{}` is", service.metadata.name, port,
                      first->second->metadata.name),
          "Give one of the two another number.");
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
    add(object, Severity::warning, code::target_port_mismatch, field,
        fmt::format("targetPort {} is no containerPort of {} (containerPort {}): the Service will have no "
                    "endpoints there",
                    wanted.to_string(), workload, fmt::join(there, ", ")),
        there.size() == 1 ? mend_target(object, index, container.ports.front(), workload)
                          : Mend("Write one of these as targetPort, or add the port to the container."));
  }

  /// To the one port that the workload has.
  static Mend mend_target(const Object& object, std::size_t index, const ContainerPort& port,
                          const std::string& workload) {
    const IntOrString& wanted = std::get<Service>(object.resource).spec.ports[index].target_port;
    const auto number = std::to_string(port.container_port);
    const auto item = fmt::format("spec.ports[{}]", index);
    auto words = fmt::format("Write `targetPort: {}`, or `containerPort: {}` in {}.", number,
                             wanted.number() ? *wanted.number() : port.container_port, workload);
    if (yaml::find_path(object.node, item + ".targetPort"))
      return replace(object, item + ".targetPort", std::move(words), number);
    const yaml::Node* map = yaml::find_path(object.node, item);
    return map ? report_of(object).insert(*map, std::move(words), "targetPort: " + number)
               : Mend(std::move(words));
  }

  /// A port that is carried as TCP for what it is called or numbered.
  void note_protocols(const Object& object, const std::vector<ServicePort>& ports) {
    for (std::size_t i = 0; i < ports.size(); ++i) {
      const ServicePort& port = ports[i];
      const Protocol* protocol = guessed_protocol(port);
      if (!protocol || protocol->traffic != AppProtocol::tcp || protocol->title == "TCP") continue;
      const bool is_named = protocol_of_name(port.name) == protocol;
      const bool is_numbered = std::ranges::find(protocol->numbers, port.port) != protocol->numbers.end();
      add(object, Severity::note, code::known_protocol,
          fmt::format("spec.ports[{}].{}", i,
                      is_named      ? "name"
                      : is_numbered ? "port"
                                    : "targetPort"),
          fmt::format("port {} is that of {}: it is carried as TCP, without looking into it",
                      is_named      ? fmt::format("`{}`", port.name)
                      : is_numbered ? std::to_string(port.port)
                                    : port.target_port.to_string(),
                      protocol->title),
          "If it speaks HTTP, write `appProtocol: http`; `appProtocol: tcp` leaves no doubt.");
    }
  }

  const Object* find(std::string_view kind, std::string_view ns, std::string_view name) const {
    const auto at = by_name_.find(Name(kind, ns, name));
    return at == by_name_.end() ? nullptr : at->second;
  }

  /// At the entry that closes the circle.
  void report_cycle(const Cycle& cycle) {
    const base::Origin& origin = cycle.origins.back();
    const Object* object = find(origin.kind, origin.ns, origin.name);
    if (!object) return;
    add(*object, Severity::error, code::dependency_cycle, origin.field + ".name",
        fmt::format("the dependencies go in a circle: {}", cycle.to_string()),
        "Remove one of these entries, or mark it `optional: true`.");
  }

  /// Names of variables that two things have.
  void check_variables(const Workload& workload) {
    const Object* object = find(to_string(workload.ref.kind), workload.ref.ns, workload.ref.name);
    const auto services = named_services(workload);
    for (const auto& [service, prefix] : services) {
      if (prefix == variable_name(service.name)) continue;
      const auto entry = std::ranges::find(workload.dependencies, service, &Dependency::target);
      const base::Origin& origin = entry->origin;
      const Object* declares = find(origin.kind, origin.ns, origin.name);
      if (!declares) continue;
      add(*declares, Severity::warning, code::variable_collision, origin.field + ".name",
          fmt::format("{} depends on another Service of this name too: its variables for {}/{} begin with {}",
                      workload.ref.to_string(), service.ns, service.name, prefix),
          fmt::format("Read {0}_SERVICE_HOST and {0}_SERVICE_PORT for it.", prefix));
    }
    const Container& container = *containers_.at(workload.ref);
    for (std::size_t i = 0; object && i < container.env.size(); ++i) {
      const EnvVar& variable = container.env[i];
      const auto hidden = std::ranges::find_if(services, [&](const NamedService& named) {
        const auto host = named.prefix + "_SERVICE_";
        const bool is_its = variable.name == named.prefix + "_URL" ||
                            variable.name.starts_with(host + "PORT_") || variable.name == host + "PORT" ||
                            variable.name == host + "HOST";
        // One that is made of the others is meant so.
        return is_its && !variable.value.contains("$(" + host);
      });
      if (hidden == services.end()) continue;
      add(*object, Severity::warning, code::variable_collision,
          fmt::format("spec.template.spec.containers[0].env[{}].name", i),
          fmt::format("`{}` hides the variable of that name that tells where the Service {} is",
                      variable.name, hidden->service.name),
          "Give it another name, or remove it if it is there for that Service.");
    }
  }

  /// What a pod template takes from ConfigMaps and Secrets.
  void check_references(const Object& object) {
    const PodSpec* spec = nullptr;
    if (const auto* deployment = std::get_if<Deployment>(&object.resource))
      spec = &deployment->spec.pod_template.spec;
    if (const auto* job = std::get_if<Job>(&object.resource)) spec = &job->spec.pod_template.spec;
    if (!spec) return;
    const auto& container = spec->containers.front();
    const std::string root = "spec.template.spec";
    const auto at = root + ".containers[0]";
    for (std::size_t i = 0; i < container.env_from.size(); ++i) {
      const auto& source = container.env_from[i];
      const auto field = fmt::format("{}.envFrom[{}].", at, i);
      if (source.config_map_ref)
        check_reference(object, field + "configMapRef.name", ConfigMap::kind, source.config_map_ref->name, {},
                        source.config_map_ref->optional);
      if (source.secret_ref)
        check_reference(object, field + "secretRef.name", Secret::kind, source.secret_ref->name, {},
                        source.secret_ref->optional);
    }
    for (std::size_t i = 0; i < container.env.size(); ++i) {
      if (!container.env[i].value_from) continue;
      const auto& source = *container.env[i].value_from;
      const auto field = fmt::format("{}.env[{}].valueFrom.", at, i);
      if (const auto& ref = source.config_map_key_ref)
        check_reference(object, field + "configMapKeyRef.name", ConfigMap::kind, ref->name, {ref->key},
                        ref->optional);
      if (const auto& ref = source.secret_key_ref)
        check_reference(object, field + "secretKeyRef.name", Secret::kind, ref->name, {ref->key},
                        ref->optional);
    }
    for (std::size_t i = 0; i < spec->volumes.size(); ++i) {
      const auto& volume = spec->volumes[i];
      const auto field = fmt::format("{}.volumes[{}].", root, i);
      if (volume.config_map)
        check_reference(object, field + "configMap.name", ConfigMap::kind, volume.config_map->name,
                        keys_of(volume.config_map->items), volume.config_map->optional);
      if (volume.secret)
        check_reference(object, field + "secret.secretName", Secret::kind, volume.secret->secret_name,
                        keys_of(volume.secret->items), volume.secret->optional);
    }
  }

  static std::vector<std::string> keys_of(const std::vector<KeyToPath>& items) {
    std::vector<std::string> keys;
    for (const auto& item : items) keys.push_back(item.key);
    return keys;
  }

  void check_reference(const Object& object, const std::string& field, std::string_view kind,
                       const std::string& name, const std::vector<std::string>& keys, bool is_optional) {
    if (is_optional) return;
    const auto& ns = metadata_of(object.resource).ns;
    const Object* there = find(kind, ns, name);
    if (!there) {
      std::vector<std::string_view> names;
      for (const Object& other :
           findings_.is_full(Severity::warning) ? std::span<const Object>() : objects_) {
        const ObjectMeta& metadata = metadata_of(other.resource);
        if (kind_of(other.resource) == kind && metadata.ns == ns) names.push_back(metadata.name);
      }
      const auto near = base::nearest(name, names);
      add(object, Severity::warning, code::missing_reference, field,
          fmt::format("there is no {} `{}` here: the instance will wait for it", kind, name),
          !near.empty() ? fmt::format("Did you mean `{}`?", near)
          : kind == Secret::kind
              ? fmt::format("Make it first (`weft create secret generic {}`), or write `optional: true`.",
                            name)
              : fmt::format("Apply it too, or write `optional: true` beside it."));
      return;
    }
    for (const auto& key : keys) {
      const auto known = keys_in(*there);
      if (std::ranges::find(known, key) != known.end()) continue;
      const auto near = base::nearest(key, std::vector<std::string_view>(known.begin(), known.end()));
      add(object, Severity::warning, code::missing_reference, field,
          fmt::format("{} `{}` has no key `{}`: the instance will wait for it", kind, name, key),
          near.empty() ? "Add the key, or write `optional: true`." : fmt::format("Did you mean `{}`?", near));
    }
  }

  static std::vector<std::string> keys_in(const Object& object) {
    std::vector<std::string> keys;
    const auto add_keys = [&](const std::map<std::string, std::string>& map) {
      for (const auto& [key, value] : map) keys.push_back(key);
    };
    if (const auto* config = std::get_if<ConfigMap>(&object.resource)) {
      add_keys(config->data);
      add_keys(config->binary_data);
    }
    if (const auto* secret = std::get_if<Secret>(&object.resource)) {
      add_keys(secret->data);
      add_keys(secret->string_data);
    }
    return keys;
  }

  std::span<const Object> objects_;
  std::deque<Service> externals_;  // as their callers see them
  std::vector<const Service*> services_;
  std::vector<const Deployment*> deployments_;
  std::vector<const Job*> jobs_;
  std::map<std::int32_t, const Service*> local_ports_;  // the first that asks for each
  std::map<Ref, const TrafficPolicy*> policies_;        // the first for each Service
  std::map<Ref, const Container*> containers_;          // the first of each workload
  using Name = std::tuple<std::string_view, std::string_view, std::string_view>;  // kind, namespace, name
  std::map<Name, const Object*> by_name_;
  base::Diagnostics findings_;
};

}  // namespace

base::Diagnostics check(std::span<const Object> objects) { return Checker(objects).run(); }

}  // namespace weft::model
