#include "control/compile/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <ranges>
#include <utility>

namespace weft::control::compile {
namespace {

using snapshot::Cluster;
using snapshot::ClusterProtocol;
using snapshot::Listener;
using snapshot::ListenerProtocol;
using snapshot::Snapshot;

/// What the contexts of one compilation are made from.
struct Mesh {
  const Input& input;
  const Affected& affected;
  /// The edge as it was, with the cluster of every Service; may be null.
  const Snapshot* edge;
  /// Those that were made anew, by name: shared by every context that calls the service.
  std::map<std::string, std::shared_ptr<const Cluster>> clusters;
  snapshot::LoadBalancing load_balancing;
};

const model::Service* find_service(const Input& input, const model::Ref& ref) {
  const auto found = input.services.find(ref);
  return found == input.services.end() ? nullptr : found->second.get();
}

const Workload* find_workload(const Input& input, const model::Ref& ref) {
  const auto found = input.workloads.find(ref);
  return found == input.workloads.end() ? nullptr : &found->second;
}

const External* find_external(const Input& input, const model::Ref& ref) {
  const auto found = input.externals.find(ref);
  return found == input.externals.end() ? nullptr : &found->second;
}

const base::Address* address_of(const Mesh& mesh, std::string_view key) {
  const auto at = mesh.input.addresses->find(key);
  return at == mesh.input.addresses->end() ? nullptr : &at->second;
}

ListenerProtocol listener_protocol(const model::ServicePort& port, bool is_http) {
  switch (port.traffic()) {
    case model::AppProtocol::http:
    case model::AppProtocol::http2: return ListenerProtocol::http;
    case model::AppProtocol::automatic: return is_http ? ListenerProtocol::http : ListenerProtocol::automatic;
    case model::AppProtocol::tcp: return ListenerProtocol::tcp;
  }
  return ListenerProtocol::tcp;
}

ClusterProtocol cluster_protocol(const model::ServicePort& port) {
  switch (port.traffic()) {
    case model::AppProtocol::http: return ClusterProtocol::http1;
    case model::AppProtocol::http2: return ClusterProtocol::http2;
    case model::AppProtocol::automatic: return ClusterProtocol::automatic;
    case model::AppProtocol::tcp: return ClusterProtocol::tcp;
  }
  return ClusterProtocol::tcp;
}

model::Ref service_ref(const std::string& ns, const std::string& name) {
  return {model::DependencyKind::service, ns, name};
}

base::Origin origin_of(const model::Service& service, std::string field) {
  return {"Service", service.metadata.ns, service.metadata.name, std::move(field)};
}

const model::TrafficPolicy* find_policy(const Input& input, const model::Ref& service) {
  const auto found = input.policies.find(service);
  return found == input.policies.end() ? nullptr : found->second.get();
}

/// Of what routes lead to.
FindService services_of(const Input& input) {
  return [&input](const model::Ref& ref) {
    return find_external(input, ref) != nullptr ? nullptr : find_service(input, ref);
  };
}

/// The routes that govern that port.
Routes routes_of(const Input& input, const model::Ref& service, const model::ServicePort& port) {
  Routes routes;
  const auto found = input.routes.find(service);
  if (found == input.routes.end() || find_external(input, service) != nullptr) return routes;
  for (const auto& route : found->second | std::views::take(fitting(found->second)))
    if (governs(*route, service, port)) routes.push_back(route);
  return routes;
}

/// Whether its TrafficPolicy limits requests, which only HTTP has.
bool limits_requests(const Input& input, const model::Ref& service) {
  const auto* policy = find_policy(input, service);
  return policy != nullptr && policy->spec.timeouts.request.value_or(base::Duration::zero()).count() > 0;
}

/// Whether a probe or hook of the workload asks a port of that number or name by HTTP.
bool is_asked(const Workload& workload, std::int32_t number, std::string_view name) {
  return std::ranges::any_of(workload.asked_by_http, [&](const model::ContainerPort& port) {
    return (number != 0 && port.container_port == number) || (!name.empty() && port.name == name);
  });
}

/// Whether a port that says nothing has HTTP alone, so that nothing gets around what holds for requests: they
/// are limited or routed, or a workload behind it is asked by HTTP there. The image may have named the port:
/// so each instance's counts, as for its inbound listener, and before there is one what the template says.
bool is_http(const Input& input, const model::Ref& service, const model::ServicePort& port) {
  if (limits_requests(input, service) || !routes_of(input, service, port).empty()) return true;
  const auto* number = port.target_port.number();
  const auto* name = port.target_port.name();
  return std::ranges::any_of(input.graph->behind(service), [&](std::size_t index) {
    const auto* behind = find_workload(input, input.graph->workloads()[index].ref);
    if (behind == nullptr) return false;
    if (is_asked(*behind, number ? *number : 0, name ? *name : "")) return true;
    return std::ranges::any_of(behind->instances, [&](const Instance& instance) {
      const auto* bound = target_port(port, instance.ports);
      return bound != nullptr && is_asked(*behind, bound->port.number, bound->port.name);
    });
  });
}

/// The limits are the policy's, else the mesh's.
Way way_to(const Input& input, const model::Ref& service, const model::ServicePort& port) {
  const auto* policy = find_policy(input, service);
  const auto own = policy == nullptr ? model::PolicyTimeouts{} : policy->spec.timeouts;
  Way way{.request = to_milliseconds(own.request.value_or(input.mesh.request_timeout))};
  if (const auto* external = find_external(input, service); external && !external->host.empty()) {
    // Of another port than the scheme's own it is a part of the host (RFC 9110, 7.2).
    const auto number = *port.target_port.number();
    const bool is_ipv6 = external->host.contains(':');
    way.host = is_ipv6 ? fmt::format("[{}]", external->host) : external->host;
    if (number != 80) fmt::format_to(std::back_inserter(way.host), ":{}", number);
  }
  if (own.idle) way.idle = to_milliseconds(*own.idle);
  if (own.request)
    way.limited_by = fmt::format("TrafficPolicy {}/{}", policy->metadata.ns, policy->metadata.name);
  return way;
}

/// Of the connections to a workload's instances: the longest that a policy of its Services allows.
std::optional<std::chrono::milliseconds> connect_limit(const Input& input, const model::Workload& workload) {
  std::optional<std::chrono::milliseconds> limit;
  for (const auto& name : workload.services) {
    const auto* policy = find_policy(input, service_ref(workload.ref.ns, name));
    if (policy == nullptr || !policy->spec.timeouts.connect) continue;
    limit = std::max(limit.value_or(std::chrono::milliseconds::zero()),
                     to_milliseconds(*policy->spec.timeouts.connect));
  }
  return limit;
}

/// Adds a listener with the way to `cluster`: for HTTP by `hosts`, or to it alone if there are none; the
/// cluster itself for bytes.
void add_listener(Snapshot& to, Listener listener, const std::string& cluster, const Way& way,
                  std::vector<snapshot::VirtualHost> hosts = {}) {
  if (takes_bytes(listener.protocol)) {
    listener.cluster = cluster;
    listener.opaque_idle_timeout = way.idle;
  }
  if (takes_http(listener.protocol)) {
    listener.routes = listener.name;
    to.routes.push_back(hosts.empty()
                            ? route_all(listener.name, cluster, way, listener.origin)
                            : snapshot::RouteTable{listener.name, std::move(hosts), listener.origin});
  }
  to.listeners.push_back(std::move(listener));
}

std::vector<snapshot::Endpoint> endpoints_of(const Mesh& mesh, const model::Ref& service,
                                             const model::ServicePort& port) {
  std::vector<snapshot::Endpoint> endpoints;
  if (const auto* external = find_external(mesh.input, service)) {
    for (const auto& [address, ready] : external->endpoints) {
      const auto number = static_cast<std::uint16_t>(*port.target_port.number());
      endpoints.push_back({*base::Address::parse_ip(address.ip(), number),
                           ready ? snapshot::Health::healthy : snapshot::Health::unhealthy,
                           1,
                           {}});
    }
    return endpoints;
  }
  const auto& graph = *mesh.input.graph;
  for (const auto index : graph.behind(service)) {
    const auto* behind = find_workload(mesh.input, graph.workloads()[index].ref);
    if (!behind) continue;
    for (const auto& instance : behind->instances) {
      const auto* bound = target_port(port, instance.ports);
      if (!bound) continue;
      const auto* address = address_of(mesh, inbound_key(service.ns, instance.name, bound->port.number));
      if (!address) continue;
      const auto health = instance.draining ? snapshot::Health::draining
                          : instance.ready  ? snapshot::Health::healthy
                                            : snapshot::Health::unhealthy;
      endpoints.push_back({*address, health, 1, instance.name});
    }
  }
  std::ranges::sort(endpoints, {}, &snapshot::Endpoint::instance);
  return endpoints;
}

snapshot::LoadBalancing to_snapshot(model::LoadBalancing from) {
  return from == model::LoadBalancing::round_robin ? snapshot::LoadBalancing::round_robin
                                                   : snapshot::LoadBalancing::least_request;
}

Cluster bare_cluster(const Mesh& mesh, const model::Ref& service, std::int32_t port) {
  Cluster cluster;
  cluster.name = cluster_name(service.ns, service.name, port);
  cluster.load_balancing = mesh.load_balancing;
  cluster.service = service.name;
  cluster.service_ns = service.ns;
  if (const auto* policy = find_policy(mesh.input, service)) {
    cluster.policy = policy->metadata.ns + "/" + policy->metadata.name;
    if (policy->spec.timeouts.connect)
      cluster.connect_timeout = to_milliseconds(*policy->spec.timeouts.connect);
    if (policy->spec.load_balancing) cluster.load_balancing = to_snapshot(*policy->spec.load_balancing);
  }
  return cluster;
}

/// The cluster of that port: as it was, unless the Service is affected.
std::shared_ptr<const Cluster> cluster_of(Mesh& mesh, const model::Ref& ref, const model::Service& service,
                                          std::size_t index) {
  const auto& port = service.spec.ports[index];
  auto name = cluster_name(ref.ns, ref.name, port.port);
  if (mesh.edge != nullptr && !mesh.affected.services.contains(ref)) {
    if (const auto place = mesh.edge->clusters.place(name)) return mesh.edge->clusters.shared(*place);
  }
  auto& made = mesh.clusters[std::move(name)];
  if (made) return made;
  auto cluster = bare_cluster(mesh, ref, port.port);
  cluster.protocol = cluster_protocol(port);
  cluster.endpoints = endpoints_of(mesh, ref, port);
  cluster.origin = origin_of(service, fmt::format("spec.ports[{}]", index));
  made = std::make_shared<Cluster>(std::move(cluster));
  return made;
}

void add_to_edge(Mesh& mesh, const model::Ref& ref, const model::Service& service, Snapshot& to) {
  for (std::size_t i = 0; i < service.spec.ports.size(); ++i) {
    const auto& port = service.spec.ports[i];
    auto key = edge_key(ref, port);
    const auto cluster = cluster_of(mesh, ref, service, i);
    to.clusters.push_back(cluster);
    if (const auto* address = address_of(mesh, key)) {
      Listener listener{.name = std::move(key),
                        .address = *address,
                        .direction = snapshot::Direction::edge,
                        .protocol = listener_protocol(port, is_http(mesh.input, ref, port)),
                        .service = ref.name,
                        .service_ns = ref.ns,
                        .origin = cluster->origin};
      if (takes_http(listener.protocol)) {
        listener.trusted_hops = static_cast<std::uint32_t>(mesh.input.mesh.trusted_hops);
      }
      const auto way = way_to(mesh.input, ref, port);
      add_listener(to, std::move(listener), cluster->name, way,
                   virtual_hosts(routes_of(mesh.input, ref, port), way, services_of(mesh.input)));
    }
  }
}

/// The clusters that the routes of a dependency lead to: they are its callers' through it.
void add_backends(Mesh& mesh, const Routes& routes, Snapshot& to) {
  const auto find = services_of(mesh.input);
  for (const auto& route : routes) {
    for (const auto& rule : route->spec.rules) {
      for (const auto& backend : rule.backend_refs) {
        if (fault_of(*route, backend, find)) continue;
        const auto ref = ref_of(*route, backend);
        const auto& service = *find(ref);
        const auto port = std::ranges::find(service.spec.ports, backend.port, &model::ServicePort::port);
        to.clusters.push_back(
            cluster_of(mesh, ref, service, static_cast<std::size_t>(port - service.spec.ports.begin())));
      }
    }
  }
}

/// The ports that callers of a Service have a listener for: one while it does not exist.
const std::vector<model::ServicePort>& called_ports(const Input& input, const model::Ref& target) {
  static const std::vector<model::ServicePort> unknown_port{model::ServicePort{}};
  const auto* found = find_service(input, target);
  return found == nullptr || found->spec.ports.empty() ? unknown_port : found->spec.ports;
}

/// The key of a dependency's port, the first of which is known before the dependency is.
std::string port_key(const model::Ref& caller, const model::Ref& target,
                     const std::vector<model::ServicePort>& ports, std::size_t index) {
  return outbound_key(caller, target, index == 0 ? std::nullopt : std::optional(ports[index].port));
}

/// The ways to one dependency: a listener and a cluster for each of its ports, or one that answers 503 while
/// it does not exist.
void add_dependency(Mesh& mesh, const model::Ref& caller, const model::Dependency& dependency, Snapshot& to) {
  const auto& target = dependency.target;
  const auto* service = find_service(mesh.input, target);
  const auto& ports = called_ports(mesh.input, target);
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (service != nullptr && !service->spec.ports.empty()) {
      to.clusters.push_back(cluster_of(mesh, target, *service, i));
    } else {
      to.clusters.push_back(bare_cluster(mesh, target, ports[i].port));
      to.clusters.back().protocol = cluster_protocol(ports[i]);
      to.clusters.back().origin = dependency.origin;
    }
    const auto routes = routes_of(mesh.input, target, ports[i]);
    add_backends(mesh, routes, to);
    auto key = port_key(caller, target, ports, i);
    const auto* address = address_of(mesh, key);
    if (!address) continue;
    const auto way = way_to(mesh.input, target, ports[i]);
    Listener listener{.name = std::move(key),
                      .address = *address,
                      .direction = snapshot::Direction::outbound,
                      .protocol = listener_protocol(ports[i], is_http(mesh.input, target, ports[i])),
                      .service = target.name,
                      .service_ns = target.ns,
                      .service_port = static_cast<std::uint16_t>(ports[i].port),
                      .origin = dependency.origin};
    add_listener(to, std::move(listener), cluster_name(target.ns, target.name, ports[i].port), way,
                 virtual_hosts(routes, way, services_of(mesh.input)));
  }
}

/// Clusters without listeners for what a scope wider than `declared` lets a context know: for foreign xDS
/// clients.
void add_scope(Mesh& mesh, const model::Ref& caller, Snapshot& to) {
  const auto scope = mesh.input.mesh.scope;
  if (scope == model::Scope::declared) return;
  for (const auto& [ref, service] : mesh.input.services) {
    if (scope == model::Scope::ns && ref.ns != caller.ns) continue;
    for (std::size_t i = 0; i < service->spec.ports.size(); ++i)
      to.clusters.push_back(cluster_of(mesh, ref, *service, i));
  }
}

/// What an instance's port is spoken to.
struct Spoken {
  ListenerProtocol listener;
  ClusterProtocol cluster;
};

/// What lets through what either does.
Spoken either(Spoken one, Spoken other) {
  const auto speaks = [&](auto protocol) { return one.listener == protocol || other.listener == protocol; };
  if (speaks(ListenerProtocol::tcp)) return {ListenerProtocol::tcp, ClusterProtocol::tcp};
  return {speaks(ListenerProtocol::automatic) ? ListenerProtocol::automatic : ListenerProtocol::http,
          one.cluster == other.cluster ? one.cluster : ClusterProtocol::automatic};
}

/// As the ports of all Services that lead to it say; without any, as its own name and number do.
Spoken inbound_protocol(const Mesh& mesh, const model::Workload& workload, const Instance& instance,
                        const provider::BoundPort& bound) {
  const bool has_requests =
      is_asked(*find_workload(mesh.input, workload.ref), bound.port.number, bound.port.name);
  std::optional<Spoken> found;
  for (const auto& name : workload.services) {
    const auto ref = service_ref(workload.ref.ns, name);
    const auto* service = find_service(mesh.input, ref);
    if (service == nullptr) continue;
    for (const auto& port : service->spec.ports) {
      if (target_port(port, instance.ports) != &bound) continue;
      const bool is_http =
          has_requests || limits_requests(mesh.input, ref) || !routes_of(mesh.input, ref, port).empty();
      const Spoken spoken{listener_protocol(port, is_http), cluster_protocol(port)};
      found = found ? either(*found, spoken) : spoken;
    }
  }
  if (found) return *found;
  const model::ServicePort own{.name = bound.port.name, .port = bound.port.number};
  return {listener_protocol(own, has_requests), cluster_protocol(own)};
}

/// The inbound listeners of those instances that are on that node.
void add_inbound(const Mesh& mesh, const model::Workload& workload, std::string_view node, Snapshot& to) {
  // The service that the instances speak for in metrics: with several, the first by name.
  const std::string& service = workload.services.empty() ? workload.ref.name : workload.services.front();
  const auto limit = connect_limit(mesh.input, workload);
  for (const auto& instance : find_workload(mesh.input, workload.ref)->instances) {
    if (instance.node != node) continue;
    for (const auto& bound : instance.ports) {
      auto key = inbound_key(workload.ref.ns, instance.name, bound.port.number);
      const auto* address = address_of(mesh, key);
      if (!address) continue;
      const base::Origin origin{std::string(model::to_string(workload.ref.kind)), workload.ref.ns,
                                workload.ref.name, "spec.template.spec.containers[0].ports"};
      Cluster cluster;
      cluster.name = key;
      const auto spoken = inbound_protocol(mesh, workload, instance, bound);
      cluster.protocol = spoken.cluster;
      cluster.service = service;
      cluster.service_ns = workload.ref.ns;
      if (limit) cluster.connect_timeout = *limit;
      cluster.endpoints.push_back({bound.address, snapshot::Health::healthy, 1, instance.name});
      cluster.origin = origin;
      Listener listener{.name = key,
                        .address = *address,
                        .direction = snapshot::Direction::inbound,
                        .protocol = spoken.listener,
                        .drain = instance.drain,
                        .service = service,
                        .service_ns = workload.ref.ns,
                        .origin = origin};
      to.clusters.push_back(std::move(cluster));
      // The caller's side keeps the time limits; a second one here would only race with it.
      add_listener(to, std::move(listener), key, {.request = {}, .idle = std::chrono::milliseconds::zero()});
    }
  }
}

std::string identity(const Input& input, std::string_view ns, std::string_view account) {
  return fmt::format("spiffe://{}/ns/{}/sa/{}", input.mesh.trust_domain, ns, account);
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

/// Those that have the context.
std::vector<const model::Workload*> workloads_of(const Input& input, const snapshot::ContextId& context) {
  std::vector<const model::Workload*> found;
  for (const auto& ref : owners_of(context)) {
    const auto index = input.graph->find(ref);
    if (index && find_workload(input, ref)) found.push_back(&input.graph->workloads()[*index]);
  }
  return found;
}

void add_outbound(Mesh& mesh, const model::Workload& workload, Snapshot& to) {
  add_scope(mesh, workload.ref, to);
  std::set<model::Ref> seen;  // an entry may come with several conditions
  for (const auto& dependency : workload.dependencies) {
    if (dependency.target.kind == model::DependencyKind::service && seen.insert(dependency.target).second)
      add_dependency(mesh, workload.ref, dependency, to);
  }
}

snapshot::SnapshotPtr compile_edge(Mesh& mesh) {
  const auto& [services, contexts] = mesh.affected;
  if (mesh.edge == nullptr || contexts.contains(snapshot::edge_context)) {
    Snapshot edge;
    edge.context = snapshot::edge_context;
    edge.identity = identity(mesh.input, edge.context.ns, edge.context.workload);
    for (const auto& [ref, service] : mesh.input.services) add_to_edge(mesh, ref, *service, edge);
    for (const auto* workload : workloads_of(mesh.input, snapshot::edge_context)) {
      add_outbound(mesh, *workload, edge);
      add_inbound(mesh, *workload, mesh.input.node, edge);
    }
    return finish(std::move(edge));
  }
  auto edge = *mesh.edge;
  const auto is_affected = [&](const auto& part) {
    return part.origin.kind == "Service" && services.contains(service_ref(part.origin.ns, part.origin.name));
  };
  edge.listeners.erase_if(is_affected);
  edge.routes.erase_if(is_affected);
  edge.clusters.erase_if(is_affected);
  for (const auto& ref : services) {
    if (const auto* service = find_service(mesh.input, ref)) add_to_edge(mesh, ref, *service, edge);
  }
  return finish(std::move(edge));
}

/// What a context has on every node: the ways out.
Snapshot compile_common(Mesh& mesh, const snapshot::ContextId& context,
                        const std::vector<const model::Workload*>& workloads) {
  Snapshot snapshot;
  snapshot.context = context;
  const auto& first = workloads.front()->ref;
  const auto& account = find_workload(mesh.input, first)->account;
  snapshot.identity = identity(mesh.input, context.ns, account.empty() ? first.name : account);
  for (const auto* workload : workloads) add_outbound(mesh, *workload, snapshot);
  return snapshot;
}

/// Adds those whose routes lead to one of these: what these are, their callers are told of too.
void add_routed(const Input& input, Refs& services) {
  Refs parents;
  for (const auto& [parent, routes] : input.routes) {
    const auto leads_there = [&](const auto& route) {
      return std::ranges::any_of(backends_of(*route),
                                 [&](const auto& ref) { return services.contains(ref); });
    };
    if (std::ranges::any_of(routes, leads_there)) parents.insert(parent);
  }
  services.merge(parents);
}

std::set<std::string_view> nodes_of(const Mesh& mesh, const std::vector<const model::Workload*>& workloads) {
  std::set<std::string_view> nodes;
  for (const auto* workload : workloads) {
    const auto& instances = find_workload(mesh.input, workload->ref)->instances;
    if (instances.empty()) nodes.insert(mesh.input.node);
    for (const auto& instance : instances) nodes.insert(instance.node);
  }
  return nodes;
}

}  // namespace

std::set<std::string, std::less<>> wanted(const Input& input, const model::Ref& owner) {
  std::set<std::string, std::less<>> keys;
  if (const auto* service = find_service(input, owner); service && !find_external(input, owner)) {
    for (const auto& port : service->spec.ports) keys.insert(edge_key(owner, port));
  }
  if (const auto index = input.graph->find(owner)) {
    for (const auto& dependency : input.graph->workloads()[*index].dependencies) {
      const auto& target = dependency.target;
      if (target.kind != model::DependencyKind::service) continue;
      const auto& ports = called_ports(input, target);
      for (std::size_t i = 0; i < ports.size(); ++i) keys.insert(port_key(owner, target, ports, i));
    }
  }
  if (const auto* workload = find_workload(input, owner)) {
    for (const auto& instance : workload->instances) {
      for (const auto& bound : instance.ports)
        keys.insert(inbound_key(owner.ns, instance.name, bound.port.number));
    }
  }
  return keys;
}

Affected affected(const Input& input, const Refs& changed) {
  Affected found;
  const auto& workloads = input.graph->workloads();
  for (const auto& ref : changed) {
    if (ref.kind == model::DependencyKind::service) {
      found.services.insert(ref);
      for (const auto index : input.graph->behind(ref))
        found.contexts.insert(context_of(workloads[index].ref));
      continue;
    }
    found.contexts.insert(context_of(ref));
    const auto index = input.graph->find(ref);
    if (!index) continue;
    for (const auto& name : workloads[*index].services) found.services.insert(service_ref(ref.ns, name));
  }
  if (found.services.empty()) return found;
  add_routed(input, found.services);
  const bool is_known_to_all = input.mesh.scope != model::Scope::declared;
  for (const auto& workload : workloads) {
    const auto is_called = [&](const auto& dependency) { return found.services.contains(dependency.target); };
    if (is_known_to_all || std::ranges::any_of(workload.dependencies, is_called))
      found.contexts.insert(context_of(workload.ref));
  }
  return found;
}

Snapshots compile(const Input& input, const Affected& affected, const Snapshots& before) {
  const auto here = before.find(input.node);
  const Snapshot* edge = here == before.end() ? nullptr : here->second.at(snapshot::edge_context).get();
  Mesh mesh{.input = input,
            .affected = affected,
            .edge = edge,
            .clusters = {},
            .load_balancing = to_snapshot(input.mesh.load_balancing)};
  Snapshots made;
  for (const auto& context : affected.contexts) {
    if (context == snapshot::edge_context) continue;
    for (const auto& [node, contexts] : before) {
      if (contexts.contains(context)) made[node][context] = nullptr;
    }
    const auto workloads = workloads_of(input, context);
    if (workloads.empty()) continue;
    const auto common = compile_common(mesh, context, workloads);
    for (const auto node : nodes_of(mesh, workloads)) {
      auto snapshot = common;
      for (const auto* workload : workloads) add_inbound(mesh, *workload, node, snapshot);
      made[std::string(node)][context] = finish(std::move(snapshot));
    }
  }
  if (edge == nullptr || !affected.services.empty() || affected.contexts.contains(snapshot::edge_context))
    made[input.node][snapshot::edge_context] = compile_edge(mesh);
  return made;
}

}  // namespace weft::control::compile
