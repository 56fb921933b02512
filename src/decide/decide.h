// Pure decisions over a Snapshot: which virtual host and route a request meets and what becomes of it there,
// and where a connection goes. The proxy runs this on every request; with a trace it says why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/origin.h"
#include "base/random.h"
#include "message/headers.h"
#include "snapshot/snapshot.h"

namespace weft::decide {

/// Why there is no decision.
enum class Refusal : std::uint8_t {
  no_route_table,
  no_virtual_host,
  no_route,
  no_server_name,
  no_cluster,
  bad_cluster
};

/// "no virtual host takes this host" and the like.
std::string_view describe(Refusal refusal);

/// What of a request decides its way. `host` is a valid authority (message::split_authority) or empty; `path`
/// is with or without a query.
struct Request {
  std::string_view method;
  std::string_view host;
  std::string_view path;
  const message::Headers& headers;
  /// Drawn from only where a route has several clusters.
  base::Random& random;
  /// Fields that this client is not believed in, by Headers::bit(): a condition finds none of them.
  std::uint64_t unbelieved = 0;
};

/// Where a request or an opaque connection is sent. All points into the Snapshot.
struct Forward {
  /// Null for an opaque connection.
  const snapshot::Forward* action = nullptr;
  const snapshot::Cluster* cluster = nullptr;
  /// Its place among the Snapshot's clusters.
  std::size_t cluster_place = 0;
};

/// What becomes of a request. All points into the Snapshot.
struct Decision {
  const snapshot::VirtualHost* virtual_host = nullptr;
  const snapshot::Route* route = nullptr;
  std::variant<Forward, const snapshot::Redirect*, const snapshot::Reply*> outcome;
};

/// One thing that was looked at on the way to a decision, in order.
struct Step {
  /// "virtual host", "route", "cluster".
  std::string_view what;
  std::string name;
  bool taken = false;
  /// Why it was or was not taken: "path /x does not begin with /api".
  std::string reason;
  base::Origin origin;
};
using Trace = std::vector<Step>;

/// A Snapshot made ready for fast decisions: names are resolved once. Immutable; the Snapshot must outlive
/// it.
class Index {
 public:
  /// What `before` (may be null) knows of the same listeners, routes and names of clusters is taken from
  /// there.
  explicit Index(const snapshot::Snapshot& snapshot, const Index* before = nullptr);

  /// The way of one request that came in by the Snapshot's listener at that place. Virtual hosts: by the
  /// exact domain, else by the longest suffix, else by the longest prefix, else by "*"; what names the
  /// request's port goes before all that names none, whatever the case and the last dot of the host (RFC
  /// 9110, 4.2.3). Routes: the first that matches. A cluster of several is drawn by weight. With `trace`,
  /// every step is added to it.
  std::expected<Decision, Refusal> request(std::size_t listener, const Request& request,
                                           Trace* trace = nullptr) const;
  /// The way of one opaque connection that came in by that listener. `server_name`: what a TLS client asks
  /// for, empty if nothing; it is found as a virtual host is.
  std::expected<Forward, Refusal> connection(std::size_t listener, std::string_view server_name = {},
                                             Trace* trace = nullptr) const;

  /// Whether the clusters of both have the same names in the same places.
  bool has_clusters_of(const Index& other) const { return clusters_ == other.clusters_; }
  /// Whether both have the very same listeners.
  bool has_listeners_of(const Index& other) const { return listeners_ == other.listeners_; }

 private:
  struct Way;
  struct Host;
  struct Domains;
  struct Table;
  /// Places in the Snapshot, and pointers into parts that it shares with those that have the same.
  struct Ways;

  static void add_domain(Table& table, const std::string& text, const Host& host);
  static const Host* find(const Domains& domains, std::string_view host);
  static const Host* find(const Table& table, std::string_view authority);
  static void explain(const Table& table, const Host* found, std::string_view authority, Trace& trace);
  /// That of a route which answers itself.
  static Decision answered(const Host& host, const snapshot::Route& route);
  /// The cluster at that place; null if there is none.
  const snapshot::Cluster* cluster(std::size_t place) const;

  const snapshot::Snapshot& snapshot_;
  /// Numbers of the lists that this index has in common with those before it.
  std::uint64_t clusters_;
  std::uint64_t listeners_;
  std::shared_ptr<const Ways> ways_;
};

}  // namespace weft::decide
