// The compiler: stored resources, running instances and reserved addresses in, one Snapshot for each context
// of each node out. Pure, and what a change costs depends on what it leads to.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "control/compile/routes.h"
#include "model/dependency.h"
#include "model/resource.h"
#include "provider/provider.h"
#include "snapshot/snapshot.h"

namespace weft::control::compile {

/// An instance whose process runs, or is about to.
struct Instance {
  std::string name;
  /// The machine that it is on.
  std::string node;
  bool ready = false;
  /// It is about to stop: no new requests.
  bool draining = false;
  /// Its callers know that: its inbound listeners drain too (snapshot::Listener::drain).
  std::optional<std::chrono::milliseconds> drain;
  /// Where the application itself listens.
  std::vector<provider::BoundPort> ports;
};

/// A Deployment or Job that has instances or is to have some.
struct Workload {
  /// The account that it names itself; may be empty.
  std::string account;
  std::vector<Instance> instances;
  /// The ports of its template that are asked by HTTP: whatever comes to them is HTTP.
  std::vector<model::ContainerPort> asked_by_http;
};

/// A Service that weft does not run.
struct External {
  /// What its HTTP ports are told as Host; empty: what the caller said.
  std::string host;
  struct Endpoint {
    /// Without a port.
    base::Address address;
    bool ready = false;
  };
  std::vector<Endpoint> endpoints;
};

/// What Provider::reserve gave, by its key.
using Addresses = std::map<std::string, base::Address, std::less<>>;

/// All that Snapshots are made from.
struct Input {
  model::MeshConfigSpec mesh;
  std::map<model::Ref, std::shared_ptr<const model::Service>> services;
  /// Those of the Services that weft does not run; they have no address at the edge.
  std::map<model::Ref, External> externals;
  /// Those in force, by the Service that they hold for, which need not be there.
  std::map<model::Ref, std::shared_ptr<const model::TrafficPolicy>> policies;
  /// Those that are attached to each Service, which need not be there.
  std::map<model::Ref, Routes> routes;
  /// They get a context.
  std::map<model::Ref, Workload> workloads;
  /// Made from all Services, Deployments and Jobs.
  const model::DependencyGraph* graph = nullptr;
  const Addresses* addresses = nullptr;
  /// Where callers from outside come in and new instances are started.
  std::string node;
};

/// Services and workloads.
using Refs = std::set<model::Ref>;

/// The keys of all addresses that a Service (at the edge) or workload needs, whether or not they have one;
/// none if it is not there.
std::set<std::string, std::less<>> wanted(const Input& input, const model::Ref& owner);

/// What is to be made anew.
struct Affected {
  Refs services;
  /// With that of the edge: all of it, not only what the Services lead to.
  std::set<snapshot::ContextId> contexts;
};

/// What these lead to: Services and workloads of which anything that the input says is another than before,
/// their addresses and their places in the graph too. (If the mesh's configuration has changed, everything
/// has.)
Affected affected(const Input& input, const Refs& changed);

/// What the proxy of each node is told, by node and context.
using Contexts = std::map<snapshot::ContextId, snapshot::SnapshotPtr>;
using Snapshots = std::map<std::string, Contexts, std::less<>>;

/// Of the affected contexts, and of the edge's if Services are affected: what they are now in place of
/// `before`, which has shared the rest; null where there is none any more. The context of a workload is where
/// its instances are, and before it has any where they will be started; that of the edge is always at
/// input.node. The Snapshots of a context differ by node in the inbound listeners alone and what they lead
/// to, which are those of the node's own instances. A Deployment and a Job of the same name share a context.
/// What has no address yet is left out. A workload whose context is the edge's is told of with it.
Snapshots compile(const Input& input, const Affected& affected, const Snapshots& before);

/// The container port that a Service port's targetPort means, by number or by name; null if there is none.
const provider::BoundPort* target_port(const model::ServicePort& port,
                                       std::span<const provider::BoundPort> ports);

/// The context of a workload.
snapshot::ContextId context_of(const model::Ref& workload);
/// Whose it can be: the Deployment and the Job of that name.
std::array<model::Ref, 2> owners_of(const snapshot::ContextId& context);
/// "outbound|80||cart.default"
std::string cluster_name(std::string_view ns, std::string_view service, std::int32_t port);

/// Keys of reserved addresses, which are the names of their listeners too. "edge/default/web/80", or
/// "edge/default/web/80@8080" where the Service asks for a local port: if that changes the key does, and with
/// it the listener.
std::string edge_key(const model::Ref& service, const model::ServicePort& port);
/// "outbound/default/web/default/cart" for a dependency's first port, so that its address is known before the
/// dependency is and stays when its port changes; "outbound/default/web/default/cart/9090" for each further
/// one.
std::string outbound_key(const model::Ref& workload, const model::Ref& service,
                         std::optional<std::int32_t> further_port = {});
/// "inbound/default/web-x2b9q/8080"
std::string inbound_key(std::string_view ns, std::string_view instance, std::int32_t port);

}  // namespace weft::control::compile
