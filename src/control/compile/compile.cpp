#include "control/compile/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

namespace weft::control::compile {
namespace {

using snapshot::Cluster;
using snapshot::Listener;
using snapshot::Snapshot;

/// What all contexts are made from.
struct Mesh {
  const Input& input;
  std::map<model::Ref, const model::Service*> services;
  std::map<model::Ref, std::vector<const Instance*>> instances;  // by workload
  /// By cluster name: made once, shared by every context that calls the service.
  std::map<std::string, std::shared_ptr<const Cluster>> clusters;
  std::map<model::Ref, std::string_view> accounts;
  std::chrono::milliseconds timeout;
  snapshot::LoadBalancing load_balancing;
};

model::Ref ref_of(const model::Service& service) {
  return {model::DependencyKind::service, service.metadata.ns, service.metadata.name};
}

const base::Address* address_of(const Mesh& mesh, std::string_view key) {
  const auto at = mesh.input.addresses.find(key);
  return at == mesh.input.addresses.end() ? nullptr : &at->second;
}

snapshot::Protocol protocol_of(const model::ServicePort& port) {
  return port.traffic() == model::AppProtocol::tcp ? snapshot::Protocol::tcp : snapshot::Protocol::http1;
}

base::Origin origin_of(const model::Service& service, std::string field) {
  return {"Service", service.metadata.ns, service.metadata.name, std::move(field)};
}

/// A listener's table with the one route that sends everything to `cluster`.
snapshot::RouteTable route_all(const std::string& name, const std::string& cluster,
                               std::chrono::milliseconds timeout, const base::Origin& origin) {
  snapshot::Route route;
  route.name = name;
  route.cluster = cluster;
  route.timeout = timeout;
  if (timeout == std::chrono::milliseconds::zero()) route.idle_timeout = {};
  route.origin = origin;
  return {name, {{name, {"*"}, {std::move(route)}}}, origin};
}

/// Adds a listener and, if it speaks HTTP, its routes.
void add_listener(Snapshot& to, Listener listener, const std::string& cluster,
                  std::chrono::milliseconds timeout) {
  if (listener.protocol == snapshot::Protocol::tcp) {
    listener.cluster = cluster;
  } else {
    listener.routes = listener.name;
    to.routes.push_back(route_all(listener.name, cluster, timeout, listener.origin));
  }
  to.listeners.push_back(std::move(listener));
}

std::vector<snapshot::Endpoint> endpoints_of(const Mesh& mesh, const model::Service& service,
                                             const model::ServicePort& port) {
  std::vector<snapshot::Endpoint> endpoints;
  for (const auto index : mesh.input.graph.behind(ref_of(service))) {
    const auto behind = mesh.instances.find(mesh.input.graph.workloads()[index].ref);
    if (behind == mesh.instances.end()) continue;
    for (const Instance* instance : behind->second) {
      const auto* bound = target_port(port, instance->ports);
      if (!bound) continue;
      const auto* address = address_of(mesh, inbound_key(instance->ns, instance->name, bound->port.number));
      if (!address) continue;
      const auto health = instance->draining ? snapshot::Health::draining
                          : instance->ready  ? snapshot::Health::healthy
                                             : snapshot::Health::unhealthy;
      endpoints.push_back({*address, health, 1, instance->name});
    }
  }
  std::ranges::sort(endpoints, {}, &snapshot::Endpoint::instance);
  return endpoints;
}

Cluster bare_cluster(const Mesh& mesh, std::string_view ns, std::string_view service, std::int32_t port) {
  Cluster cluster;
  cluster.name = cluster_name(ns, service, port);
  cluster.load_balancing = mesh.load_balancing;
  cluster.service = service;
  cluster.service_ns = ns;
  return cluster;
}

void make_clusters(Mesh& mesh) {
  for (const auto* service : mesh.input.services) {
    for (std::size_t i = 0; i < service->spec.ports.size(); ++i) {
      const auto& port = service->spec.ports[i];
      auto cluster = bare_cluster(mesh, service->metadata.ns, service->metadata.name, port.port);
      cluster.protocol = protocol_of(port);
      cluster.endpoints = endpoints_of(mesh, *service, port);
      cluster.origin = origin_of(*service, fmt::format("spec.ports[{}]", i));
      auto name = cluster.name;
      mesh.clusters.insert_or_assign(std::move(name), std::make_shared<Cluster>(std::move(cluster)));
    }
  }
}

void add_edge(const Mesh& mesh, Snapshot& to) {
  for (const auto* service : mesh.input.services) {
    const auto& meta = service->metadata;
    for (std::size_t i = 0; i < service->spec.ports.size(); ++i) {
      const auto& port = service->spec.ports[i];
      auto key = edge_key(meta.ns, meta.name, port.port);
      const auto name = cluster_name(meta.ns, meta.name, port.port);
      to.clusters.push_back(mesh.clusters.at(name));
      if (const auto* address = address_of(mesh, key)) {
        Listener listener{.name = key,
                          .address = *address,
                          .direction = snapshot::Direction::edge,
                          .protocol = protocol_of(port),
                          .service = meta.name,
                          .service_ns = meta.ns,
                          .origin = origin_of(*service, fmt::format("spec.ports[{}]", i))};
        if (listener.protocol == snapshot::Protocol::http1) {
          listener.trusted_hops = static_cast<std::uint32_t>(mesh.input.mesh.trusted_hops);
        }
        add_listener(to, std::move(listener), name, mesh.timeout);
      }
    }
  }
}

using Services = std::map<model::Ref, const model::Service*>;

Services services_of(const Input& input) {
  Services services;
  for (const auto* service : input.services) services.emplace(ref_of(*service), service);
  return services;
}

/// The ports that callers of a Service have a listener for: one while it does not exist.
const std::vector<model::ServicePort>& called_ports(const Services& services, const model::Ref& target) {
  static const std::vector<model::ServicePort> unknown_port{model::ServicePort{}};
  const auto found = services.find(target);
  return found == services.end() || found->second->spec.ports.empty() ? unknown_port
                                                                      : found->second->spec.ports;
}

/// The key of a dependency's port, the first of which is known before the dependency is.
std::string port_key(const model::Ref& caller, const model::Ref& target,
                     const std::vector<model::ServicePort>& ports, std::size_t index) {
  return outbound_key(caller, target, index == 0 ? std::nullopt : std::optional(ports[index].port));
}

/// The ways to one dependency: a listener and a cluster for each of its ports, or one that answers 503 while
/// it does not exist.
void add_dependency(const Mesh& mesh, const model::Ref& caller, const model::Dependency& dependency,
                    Snapshot& to) {
  const auto& ports = called_ports(mesh.services, dependency.target);
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const auto& target = dependency.target;
    const auto cluster = cluster_name(target.ns, target.name, ports[i].port);
    const auto known = mesh.clusters.find(cluster);
    if (known != mesh.clusters.end()) {
      to.clusters.push_back(known->second);
    } else {
      to.clusters.push_back(bare_cluster(mesh, target.ns, target.name, ports[i].port));
      to.clusters.back().origin = dependency.origin;
    }
    auto key = port_key(caller, target, ports, i);
    const auto* address = address_of(mesh, key);
    if (!address) continue;
    Listener listener{.name = std::move(key),
                      .address = *address,
                      .direction = snapshot::Direction::outbound,
                      .protocol = protocol_of(ports[i]),
                      .service = target.name,
                      .service_ns = target.ns,
                      .origin = dependency.origin};
    add_listener(to, std::move(listener), cluster, mesh.timeout);
  }
}

/// Clusters without listeners for what a scope wider than `declared` lets a context know: for foreign xDS
/// clients.
void add_scope(const Mesh& mesh, const model::Ref& caller, Snapshot& to) {
  const auto scope = mesh.input.mesh.scope;
  if (scope == model::Scope::declared) return;
  for (const auto* service : mesh.input.services) {
    if (scope == model::Scope::ns && service->metadata.ns != caller.ns) continue;
    for (const auto& port : service->spec.ports) {
      to.clusters.push_back(
          mesh.clusters.at(cluster_name(service->metadata.ns, service->metadata.name, port.port)));
    }
  }
}

/// How an instance's port is spoken to: TCP if a Service says so, for bytes of any kind pass through it; else
/// HTTP unless the port's name says otherwise.
snapshot::Protocol inbound_protocol(const Mesh& mesh, const model::Workload& workload,
                                    const Instance& instance, const provider::BoundPort& bound) {
  bool targeted = false;
  for (const auto& name : workload.services) {
    const auto found = mesh.services.find({model::DependencyKind::service, workload.ref.ns, name});
    if (found == mesh.services.end()) continue;
    for (const auto& port : found->second->spec.ports) {
      if (target_port(port, instance.ports) != &bound) continue;
      if (protocol_of(port) == snapshot::Protocol::tcp) return snapshot::Protocol::tcp;
      targeted = true;
    }
  }
  const auto& name = bound.port.name;
  return !targeted && (name == "tcp" || name.starts_with("tcp-")) ? snapshot::Protocol::tcp
                                                                  : snapshot::Protocol::http1;
}

/// The inbound listeners of those instances that are on that node.
void add_inbound(const Mesh& mesh, const model::Workload& workload, std::string_view node, Snapshot& to) {
  const auto found = mesh.instances.find(workload.ref);
  if (found == mesh.instances.end()) return;
  // The service that the instances speak for in metrics: with several, the first by name.
  const std::string& service = workload.services.empty() ? workload.ref.name : workload.services.front();
  for (const Instance* instance : found->second) {
    if (instance->node != node) continue;
    for (const auto& bound : instance->ports) {
      auto key = inbound_key(instance->ns, instance->name, bound.port.number);
      const auto* address = address_of(mesh, key);
      if (!address) continue;
      const base::Origin origin{std::string(model::to_string(workload.ref.kind)), workload.ref.ns,
                                workload.ref.name, "spec.template.spec.containers[0].ports"};
      Cluster cluster;
      cluster.name = key;
      cluster.protocol = inbound_protocol(mesh, workload, *instance, bound);
      cluster.service = service;
      cluster.service_ns = workload.ref.ns;
      cluster.endpoints.push_back({bound.address, snapshot::Health::healthy, 1, instance->name});
      cluster.origin = origin;
      Listener listener{.name = key,
                        .address = *address,
                        .direction = snapshot::Direction::inbound,
                        .protocol = cluster.protocol,
                        .service = service,
                        .service_ns = workload.ref.ns,
                        .origin = origin};
      to.clusters.push_back(std::move(cluster));
      // The caller's side keeps the time limit; a second one here would only race with it.
      add_listener(to, std::move(listener), key, std::chrono::milliseconds::zero());
    }
  }
}

/// The accounts that the workloads of a list name themselves.
void note_accounts(Mesh& mesh, model::DependencyKind kind, const auto& workloads) {
  for (const auto* workload : workloads) {
    const auto& account = workload->spec.pod_template.spec.service_account_name;
    if (account.empty()) continue;
    mesh.accounts.emplace(model::Ref{kind, workload->metadata.ns, workload->metadata.name}, account);
  }
}

std::string service_account(const Mesh& mesh, const model::Ref& workload) {
  const auto named = mesh.accounts.find(workload);
  return named == mesh.accounts.end() ? workload.name : std::string(named->second);
}

std::string identity(const Input& input, std::string_view ns, std::string_view account) {
  return fmt::format("spiffe://{}/ns/{}/sa/{}", input.mesh.trust_domain, ns, account);
}

Mesh prepare(const Input& input) {
  Mesh mesh{.input = input,
            .services = services_of(input),
            .instances = {},
            .clusters = {},
            .accounts = {},
            .timeout = std::chrono::duration_cast<std::chrono::milliseconds>(input.mesh.request_timeout),
            .load_balancing = input.mesh.load_balancing == model::LoadBalancing::round_robin
                                  ? snapshot::LoadBalancing::round_robin
                                  : snapshot::LoadBalancing::least_request};
  for (const auto& instance : input.instances) mesh.instances[instance.workload].push_back(&instance);
  note_accounts(mesh, model::DependencyKind::deployment, input.deployments);
  note_accounts(mesh, model::DependencyKind::job, input.jobs);
  make_clusters(mesh);
  return mesh;
}

snapshot::SnapshotPtr finish(Snapshot snapshot) {
  // A Deployment and a Job of one name may call the same Service.
  const auto put_in_order = [](auto& parts) {
    parts.sort();
    parts.make_unique();
  };
  put_in_order(snapshot.listeners);
  put_in_order(snapshot.routes);
  put_in_order(snapshot.clusters);
  return std::make_shared<const Snapshot>(std::move(snapshot));
}

snapshot::SnapshotPtr compile_edge(const Mesh& mesh) {
  Snapshot edge;
  edge.context = snapshot::edge_context;
  edge.identity = identity(mesh.input, edge.context.ns, edge.context.workload);
  add_edge(mesh, edge);
  return finish(std::move(edge));
}

/// What a context has on every node: the ways out.
Snapshot compile_common(const Mesh& mesh, const snapshot::ContextId& context,
                        const std::vector<const model::Workload*>& workloads) {
  Snapshot snapshot;
  snapshot.context = context;
  snapshot.identity = identity(mesh.input, context.ns, service_account(mesh, workloads.front()->ref));
  for (const auto* workload : workloads) {
    add_scope(mesh, workload->ref, snapshot);
    std::set<model::Ref> seen;  // an entry may come with several conditions
    for (const auto& dependency : workload->dependencies) {
      if (dependency.target.kind == model::DependencyKind::service && seen.insert(dependency.target).second)
        add_dependency(mesh, workload->ref, dependency, snapshot);
    }
  }
  return snapshot;
}

std::set<std::string_view> nodes_of(const Mesh& mesh, const std::vector<const model::Workload*>& workloads) {
  std::set<std::string_view> nodes;
  for (const auto* workload : workloads) {
    const auto found = mesh.instances.find(workload->ref);
    if (found == mesh.instances.end()) {
      nodes.insert(mesh.input.node);
    } else {
      for (const auto* instance : found->second) nodes.insert(instance->node);
    }
  }
  return nodes;
}

}  // namespace

Wanted wanted(const Input& input) {
  Wanted keys;
  const auto services = services_of(input);
  for (const auto& [ref, service] : services) {
    for (const auto& port : service->spec.ports) keys.emplace(edge_key(ref.ns, ref.name, port.port), ref);
  }
  for (const auto& workload : input.graph.workloads()) {
    for (const auto& dependency : workload.dependencies) {
      const auto& target = dependency.target;
      if (target.kind != model::DependencyKind::service) continue;
      const auto& ports = called_ports(services, target);
      for (std::size_t i = 0; i < ports.size(); ++i)
        keys.emplace(port_key(workload.ref, target, ports, i), workload.ref);
    }
  }
  for (const auto& instance : input.instances) {
    for (const auto& bound : instance.ports)
      keys.emplace(inbound_key(instance.ns, instance.name, bound.port.number), instance.workload);
  }
  return keys;
}

Snapshots compile(const Input& input) {
  const Mesh mesh = prepare(input);
  std::map<snapshot::ContextId, std::vector<const model::Workload*>> contexts;
  for (const auto index : input.active) {
    const auto& workload = input.graph.workloads()[index];
    contexts[context_of(workload.ref)].push_back(&workload);
  }
  Snapshots all;
  all[std::string(input.node)][snapshot::edge_context] = compile_edge(mesh);
  for (const auto& [context, workloads] : contexts) {
    const auto common = compile_common(mesh, context, workloads);
    for (const auto node : nodes_of(mesh, workloads)) {
      auto snapshot = common;
      for (const auto* workload : workloads) add_inbound(mesh, *workload, node, snapshot);
      all[std::string(node)][context] = finish(std::move(snapshot));
    }
  }
  return all;
}

const provider::BoundPort* target_port(const model::ServicePort& port,
                                       std::span<const provider::BoundPort> ports) {
  const auto* number = port.target_port.number();
  const auto found = std::ranges::find_if(ports, [&](const provider::BoundPort& bound) {
    return number ? bound.port.number == *number : bound.port.name == *port.target_port.name();
  });
  return found == ports.end() ? nullptr : &*found;
}

snapshot::ContextId context_of(const model::Ref& workload) { return {workload.ns, workload.name}; }

std::string cluster_name(std::string_view ns, std::string_view service, std::int32_t port) {
  return fmt::format("outbound|{}||{}.{}", port, service, ns);
}

std::string edge_key(std::string_view ns, std::string_view service, std::int32_t port) {
  return fmt::format("edge/{}/{}/{}", ns, service, port);
}

std::string outbound_key(const model::Ref& workload, const model::Ref& service,
                         std::optional<std::int32_t> further_port) {
  auto key = fmt::format("outbound/{}/{}/{}/{}", workload.ns, workload.name, service.ns, service.name);
  if (further_port) fmt::format_to(std::back_inserter(key), "/{}", *further_port);
  return key;
}

std::string inbound_key(std::string_view ns, std::string_view instance, std::int32_t port) {
  return fmt::format("{}{}/{}/{}", provider::instance_key_prefix, ns, instance, port);
}

}  // namespace weft::control::compile
