// The Snapshot: everything that one context must know, as immutable plain values. The compiler in control
// makes it, xds carries it, the proxy runs it.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/origin.h"
#include "snapshot/parts.h"
#include "snapshot/tls.h"

namespace weft::snapshot {

/// The workload that a context serves; "weft-system/edge" is the one that outside callers come in by.
struct ContextId {
  std::string ns;
  std::string workload;

  friend bool operator==(const ContextId&, const ContextId&) = default;
  friend auto operator<=>(const ContextId&, const ContextId&) = default;
  std::string to_string() const { return ns + "/" + workload; }
};

/// The context of callers outside the mesh.
inline const ContextId edge_context{"weft-system", "edge"};

/// What a listener takes.
enum class ListenerProtocol : std::uint8_t {
  http,       // HTTP/1.1, and HTTP/2 where a connection begins with its preface
  automatic,  // that, or bytes of any other protocol
  tcp,
  tls,  // passed through, by the server name that the client asks for
};
constexpr bool takes_http(ListenerProtocol protocol) {
  return protocol == ListenerProtocol::http || protocol == ListenerProtocol::automatic;
}
/// To one cluster.
constexpr bool takes_bytes(ListenerProtocol protocol) {
  return protocol == ListenerProtocol::tcp || protocol == ListenerProtocol::automatic;
}

/// What a cluster's endpoints are spoken to.
enum class ClusterProtocol : std::uint8_t {
  http1,
  http2,      // with prior knowledge (RFC 9113, 3.3)
  automatic,  // what the client speaks: HTTP/1.1, HTTP/2, or bytes
  tcp,
};
constexpr bool takes_http(ClusterProtocol protocol) { return protocol != ClusterProtocol::tcp; }
constexpr bool takes_bytes(ClusterProtocol protocol) {
  return protocol == ClusterProtocol::tcp || protocol == ClusterProtocol::automatic;
}

enum class Direction : std::uint8_t { edge, outbound, inbound };

/// Where connections to these server names go (RFC 6066, 3).
struct ServerNames {
  /// As Domain::to_string() has them, without ports; "*" takes all, and who sends no name.
  std::vector<std::string> hosts;
  /// Name of a Cluster of the same Snapshot.
  std::string cluster;

  friend bool operator==(const ServerNames&, const ServerNames&) = default;
};

/// Where traffic comes in. A listener that takes HTTP names its routes, one that takes bytes its cluster.
struct Listener {
  std::string name;
  base::Address address;
  Direction direction = Direction::outbound;
  ListenerProtocol protocol = ListenerProtocol::http;
  /// http: name of a RouteTable of the same Snapshot.
  std::string routes;
  /// Bytes: name of a Cluster of the same Snapshot.
  std::string cluster;
  /// tls.
  std::vector<ServerNames> sni{};
  /// Each connection begins with a header of the PROXY protocol, which says who the client is.
  bool proxy_protocol = false;
  /// Clients speak TLS, which ends here; none: they do not. Behind the PROXY header, if there is one.
  Shared<ServerTls> tls{};
  /// http: CONNECT is routed like any request and opens a tunnel if the service agrees.
  bool allow_connect = false;
  /// http, at the edge: how many proxies before it may be believed in what they say of the way to here, as
  /// Envoy's xff_num_trusted_hops.
  std::uint32_t trusted_hops = 0;
  /// http: how long a client's connection may rest between requests. Zero: no limit; nothing: the proxy's
  /// own.
  std::optional<std::chrono::milliseconds> idle_timeout{};
  /// Bytes: how long a connection may be without any either way. Zero: no limit; nothing: the proxy's own.
  std::optional<std::chrono::milliseconds> opaque_idle_timeout{};
  /// Its instance is about to go, and no caller picks it any more: what is under way ends, and each
  /// connection with it. Tunnels and event streams, which may last for days, are waited for so long and no
  /// longer.
  std::optional<std::chrono::milliseconds> drain;
  /// The service that this listener speaks for, for metrics and logs: "web" and "default".
  std::string service;
  std::string service_ns;
  /// outbound: the port of the service by which its callers know it; 0: not said.
  std::uint16_t service_port = 0;
  base::Origin origin;

  friend bool operator==(const Listener&, const Listener&) = default;
};

/// A condition on a field of a request's head. It has no fault_of() (snapshot/patterns.h).
struct HeaderMatch {
  /// In lower case.
  std::string name;
  /// What the field's value is, that of one on several lines being joined by "," (as Envoy does); nothing: it
  /// is there, with any value.
  std::optional<std::string> value;

  friend bool operator==(const HeaderMatch&, const HeaderMatch&) = default;
  friend auto operator<=>(const HeaderMatch&, const HeaderMatch&) = default;
};

/// A condition on a parameter of a request's query, as it is sent: "&" parts them, "=" a name from its value,
/// and nothing is decoded (as Envoy does). It has no fault_of() (snapshot/patterns.h).
struct QueryMatch {
  std::string name;
  /// What the value of the first one of that name is; nothing: there is one, with any value or none.
  std::optional<std::string> value;

  friend bool operator==(const QueryMatch&, const QueryMatch&) = default;
  friend auto operator<=>(const QueryMatch&, const QueryMatch&) = default;
};

/// Which requests a Route takes: those for which all of it holds. Paths compare by bytes, without the query;
/// they and methods have no fault_of() (snapshot/patterns.h).
struct Match {
  enum class Path : std::uint8_t {
    prefix,    // what begins so
    segments,  // the path, and what has "/" behind it: "/api" takes "/api/x" and not "/apix"
    exact,
  };
  Path path_kind = Path::prefix;
  std::string path = "/";
  /// With regard to case (RFC 9110, 9.1); empty: any.
  std::string method{};
  std::vector<HeaderMatch> headers{};
  std::vector<QueryMatch> query{};

  friend bool operator==(const Match&, const Match&) = default;
  friend auto operator<=>(const Match&, const Match&) = default;
};

/// What the head of a request loses and gains before it is sent on, in this order. Names are in lower case,
/// and none has a fault_of_header() (snapshot/actions.h).
struct HeaderChanges {
  struct Field {
    std::string name;
    std::string value;

    friend bool operator==(const Field&, const Field&) = default;
  };
  std::vector<std::string> remove{};
  /// In the place of all fields of that name.
  std::vector<Field> set{};
  /// Beside them.
  std::vector<Field> add{};

  bool empty() const { return remove.empty() && set.empty() && add.empty(); }
  friend bool operator==(const HeaderChanges&, const HeaderChanges&) = default;
};

/// Sends a request to a cluster.
struct Forward {
  struct Target {
    /// Envoy's rule for RDS: one that the Snapshot does not have is no fault; its requests are answered 503,
    /// or as `missing_is_error` says.
    std::string cluster;
    std::uint32_t weight = 1;

    friend bool operator==(const Target&, const Target&) = default;
  };
  /// One or more; each request takes one of them by chance, as often as its weight is of the sum.
  std::vector<Target> to;
  /// Time from the end of the request to the response's head; zero: no limit.
  std::chrono::milliseconds timeout{15'000};
  /// How long the endpoint may take nothing of the request, or give nothing of the response's body; zero: no
  /// limit.
  std::chrono::milliseconds idle_timeout{300'000};
  /// What the endpoint is told as Host; empty: what the client said.
  std::string host{};
  HeaderChanges headers{};
  /// A cluster that the Snapshot does not have never comes: its requests are answered 500.
  bool missing_is_error = false;
  /// Who says `timeout`, for logs: "HTTPRoute default/canary"; empty: the policy of the cluster, or nobody.
  std::string limited_by{};

  friend bool operator==(const Forward&, const Forward&) = default;
};

/// Answers that what was asked for is elsewhere (RFC 9110, 15.4): the request's own URI with some parts
/// replaced, as xDS' RedirectAction and Gateway API's requestRedirect; decide::location() makes it.
struct Redirect {
  enum class Scheme : std::uint8_t { as_asked, http, https };
  enum class Path : std::uint8_t {
    as_asked,
    whole,   // by `path`
    prefix,  // what the route's match has of it, by `path`
  };
  enum class Code : std::uint16_t {
    moved_permanently = 301,
    found = 302,
    see_other = 303,
    temporary_redirect = 307,
    permanent_redirect = 308,
  };
  Scheme scheme = Scheme::as_asked;
  /// Empty: as asked.
  std::string host{};
  /// Zero: as asked, or the scheme's own if the host is replaced or that of the scheme was asked for.
  std::uint16_t port = 0;
  Path path_kind = Path::as_asked;
  std::string path{};
  Code code = Code::found;

  friend bool operator==(const Redirect&, const Redirect&) = default;
};

/// Answers in the service's place.
struct Reply {
  std::uint16_t status = 200;
  std::string body{};

  friend bool operator==(const Reply&, const Reply&) = default;
};

/// What becomes of a request. It has no fault_of() (snapshot/actions.h).
using Action = std::variant<Forward, Redirect, Reply>;
/// All that arrives goes to that cluster.
inline Forward forward_to(std::string cluster) { return {.to = {{std::move(cluster)}}}; }

struct Route {
  std::string name;
  Match match;
  Action action;
  base::Origin origin;

  friend bool operator==(const Route&, const Route&) = default;
};

struct VirtualHost {
  std::string name;
  /// As Domain::to_string() has them (snapshot/patterns.h); "*" takes all hosts.
  std::vector<std::string> domains;
  std::vector<Route> routes;

  friend bool operator==(const VirtualHost&, const VirtualHost&) = default;
};

struct RouteTable {
  std::string name;
  std::vector<VirtualHost> virtual_hosts;
  base::Origin origin;

  friend bool operator==(const RouteTable&, const RouteTable&) = default;
};

enum class Health : std::uint8_t { healthy, unhealthy, draining };

struct Endpoint {
  base::Address address;
  Health health = Health::healthy;
  std::uint32_t weight = 1;
  /// The instance's name, for logs ("web-0"); empty outside the mesh.
  std::string instance;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

enum class LoadBalancing : std::uint8_t { round_robin, least_request };

/// The version of the PROXY protocol's header that a connection to an endpoint begins with.
enum class ProxyProtocol : std::uint8_t { none, v1, v2 };

struct Cluster {
  std::string name;
  ClusterProtocol protocol = ClusterProtocol::http1;
  LoadBalancing load_balancing = LoadBalancing::least_request;
  std::chrono::milliseconds connect_timeout{5'000};
  /// Most connections of one worker to one endpoint, and most requests of one worker that wait for one.
  std::uint32_t max_connections = 1024;
  std::uint32_t max_pending = 1024;
  /// Requests that one connection carries, and its age, after which it takes no new one. Zero: no limit.
  std::uint32_t max_requests_per_connection = 0;
  std::chrono::milliseconds max_connection_age{};
  /// How long a pooled connection may rest. Zero: the proxy's own limit.
  std::chrono::milliseconds idle_timeout{};
  /// tcp: who the client is, is told so.
  ProxyProtocol proxy_protocol = ProxyProtocol::none;
  /// Its endpoints are spoken to in TLS; none: they are not. Behind the PROXY header, if there is one.
  Shared<ClientTls> tls{};
  /// The destination service, for metrics and logs.
  std::string service;
  std::string service_ns;
  /// The TrafficPolicy whose limits hold on the way to it, "default/patient"; empty: none.
  std::string policy;
  std::vector<Endpoint> endpoints;
  base::Origin origin;

  friend bool operator==(const Cluster&, const Cluster&) = default;
};

/// One context's whole configuration. Each list is sorted by name and names are unique.
struct Snapshot {
  ContextId context;
  /// spiffe://<trust domain>/ns/<ns>/sa/<sa>
  std::string identity;
  Parts<Listener> listeners;
  Parts<RouteTable> routes;
  Parts<Cluster> clusters;

  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

/// Why the Snapshot cannot be put in force, in words, with the Origin of what is wrong: names that are there
/// twice or not in order, listeners or endpoints without an address, two listeners with one, a listener whose
/// routes or cluster are not there, requests that lead to where connections have a PROXY header. (Other
/// clusters than a listener's protocol has are no fault: while one becomes the other, its cluster may come
/// before it.) What stands within a route is checked where it is read.
std::expected<void, std::string> validate(const Snapshot& snapshot);

}  // namespace weft::snapshot
