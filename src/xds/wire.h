// The parts of a Snapshot as xDS resources and back: encode and decode stand side by side, and what Assembly
// makes of encode(s) is s.
//
// What Envoy's messages have no field for is kept in metadata.filter_metadata["weft"] (a Struct): the Origin
// as "kind", "namespace", "name" and "field", the destination as "service" and "service_namespace", an
// endpoint's "instance", "protocol" (only "tcp") of a cluster, and "drain_ms" of a listener. A listener's
// direction is its traffic_direction; UNSPECIFIED is the edge. One that takes what comes has Envoy's
// http_inspector, a filter chain for what that finds, and a default one; a cluster whose endpoints are spoken
// to as its clients speak has use_downstream_protocol_config. TLS that is passed through has tls_inspector
// and a filter chain for the server names of each cluster. TLS that a listener ends, or that a cluster is
// spoken to in, has no form yet: who is sent it refuses it.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot/snapshot.h"
#include "xds/dialect.h"
#include "xds/error.h"

namespace weft::xds {

/// The resource types, in the order in which they are sent so that nothing names what has not come yet.
/// `placement` is what the node stream carries: one resource for each context of a proxy; it is no part of a
/// Snapshot.
enum class Type : std::uint8_t { context, cluster, endpoints, listener, routes, placement };
inline constexpr std::array snapshot_types{Type::context, Type::cluster, Type::endpoints, Type::listener,
                                           Type::routes};
inline constexpr std::size_t type_count = 6;

/// "type.googleapis.com/envoy.config.cluster.v3.Cluster" and the like; nothing for one that is not ours.
std::string_view type_url(Type type);
std::optional<Type> type_of(std::string_view url);

/// One resource as it is sent: the serialized message without its Any.
struct Resource {
  Type type = Type::context;
  std::string name;
  /// base::content_hash of the body: equal for equal content, also after a restart.
  std::string version;
  std::string body;

  friend bool operator==(const Resource&, const Resource&) = default;
};

/// All of a Snapshot, ordered by type, then name. The same Snapshot gives the same bytes.
std::vector<Resource> encode(const snapshot::Snapshot& snapshot);

Resource encode_context(const snapshot::Snapshot& snapshot);
/// The cluster without its endpoints, and its endpoints alone. Foreign clients are told the healthy ones
/// only: they would pick others too, Envoy where few are healthy. For `grpc` all is said in the words that it
/// takes (gRFC A27, A28): listeners without an address, its own load balancing, no match that it refuses.
Resource encode_cluster(const snapshot::Cluster& cluster, Dialect dialect = Dialect::weft);
Resource encode_endpoints(const snapshot::Cluster& cluster, Dialect dialect = Dialect::weft);
Resource encode_listener(const snapshot::Listener& listener, Dialect dialect = Dialect::weft);
Resource encode_routes(const snapshot::RouteTable& routes, Dialect dialect = Dialect::weft);
Resource encode_placement(const snapshot::ContextId& context);
/// The resource of that type and name, nothing if the Snapshot has none.
std::optional<Resource> encode_one(const snapshot::Snapshot& snapshot, Type type, std::string_view name,
                                   Dialect dialect = Dialect::weft);

/// Fields of a peer's resources that weft does not know and that change neither security nor routing (those
/// that do make the resource invalid).
struct Ignored {
  /// How often any was met.
  std::uint64_t count = 0;
  /// Where the first few were, such as "Cluster field 47".
  std::vector<std::string> examples;

  static constexpr std::size_t max_examples = 16;
};

/// What the body of one resource says. Errors are `invalid_resource`, in terms of the resource and its
/// Origin.
struct DecodedContext {
  snapshot::ContextId id;
  std::string identity;
};
struct DecodedCluster {
  snapshot::Cluster cluster;
  /// The name of its endpoints' resource; nothing if they came with it (STATIC).
  std::optional<std::string> endpoints_name;
};
struct DecodedEndpoints {
  std::string cluster;
  std::vector<snapshot::Endpoint> endpoints;
};
std::expected<DecodedContext, XdsError> decode_context(std::string_view body, Ignored& ignored);
std::expected<DecodedCluster, XdsError> decode_cluster(std::string_view body, Ignored& ignored);
std::expected<DecodedEndpoints, XdsError> decode_endpoints(std::string_view body, Ignored& ignored);
std::expected<snapshot::Listener, XdsError> decode_listener(std::string_view body, Ignored& ignored);
std::expected<snapshot::RouteTable, XdsError> decode_routes(std::string_view body, Ignored& ignored);
std::expected<snapshot::ContextId, XdsError> decode_placement(std::string_view body, Ignored& ignored);

}  // namespace weft::xds
