// The compiler: stored resources, running instances and reserved addresses in, one Snapshot for each context
// of each node out. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "model/dependency.h"
#include "model/resource.h"
#include "provider/provider.h"
#include "snapshot/snapshot.h"

namespace weft::control::compile {

/// An instance whose process runs, or is about to.
struct Instance {
  std::string ns;
  std::string name;
  /// The machine that it is on.
  std::string node;
  /// Its Deployment or Job.
  model::Ref workload;
  bool ready = false;
  /// It is about to stop: no new requests.
  bool draining = false;
  /// Where the application itself listens.
  std::vector<provider::BoundPort> ports;
};

/// What Provider::reserve gave, by its key.
using Addresses = std::map<std::string, base::Address, std::less<>>;

/// References must be valid during the call only.
struct Input {
  const model::MeshConfigSpec& mesh;
  std::span<const model::Service* const> services;
  std::span<const model::Deployment* const> deployments;
  std::span<const model::Job* const> jobs;
  /// Made from the three above.
  const model::DependencyGraph& graph;
  /// Indices into graph.workloads(): those that have instances or are to have some. They get a context.
  const std::set<std::size_t>& active;
  std::span<const Instance> instances;
  const Addresses& addresses;
  /// Where callers from outside come in and new instances are started.
  std::string_view node;
};

/// Keys of addresses, each with the Service (at the edge) or workload that needs it.
using Wanted = std::map<std::string, model::Ref, std::less<>>;

/// Every key for which an address is needed, whether or not it has one.
Wanted wanted(const Input& input);

/// What the proxy of each node is told, by node and context.
using Contexts = std::map<snapshot::ContextId, snapshot::SnapshotPtr>;
using Snapshots = std::map<std::string, Contexts, std::less<>>;

/// The context of a workload is where its instances are, and before it has any where they will be started;
/// that of the edge is always at input.node. The Snapshots of a context differ by node in the inbound
/// listeners alone, which are those of the node's own instances. A Deployment and a Job of the same name
/// share a context. What has no address yet is left out.
Snapshots compile(const Input& input);

/// The container port that a Service port's targetPort means, by number or by name; null if there is none.
const provider::BoundPort* target_port(const model::ServicePort& port,
                                       std::span<const provider::BoundPort> ports);

/// The context of a workload.
snapshot::ContextId context_of(const model::Ref& workload);
/// "outbound|80||cart.default"
std::string cluster_name(std::string_view ns, std::string_view service, std::int32_t port);

/// Keys of reserved addresses, which are the names of their listeners too. "edge/default/web/80"
std::string edge_key(std::string_view ns, std::string_view service, std::int32_t port);
/// "outbound/default/web/default/cart" for a dependency's first port, so that its address is known before the
/// dependency is and stays when its port changes; "outbound/default/web/default/cart/9090" for each further
/// one.
std::string outbound_key(const model::Ref& workload, const model::Ref& service,
                         std::optional<std::int32_t> further_port = {});
/// "inbound/default/web-x2b9q/8080"
std::string inbound_key(std::string_view ns, std::string_view instance, std::int32_t port);

}  // namespace weft::control::compile
