// Pure decisions over a Snapshot: which listener, virtual host, route and cluster a request or connection
// meets. The proxy runs this on every request; explain and simulate run the same code with a trace.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "base/origin.h"
#include "snapshot/snapshot.h"

namespace weft::decide {

/// Why no cluster was found.
enum class Refusal : std::uint8_t { no_route_table, no_virtual_host, no_route, no_cluster };

/// "no virtual host takes this host" and the like.
std::string_view describe(Refusal refusal);

/// What of a request decides its way. `host` as received, with or without a port; `path` with or without a
/// query.
struct Request {
  std::string_view method;
  std::string_view host;
  std::string_view path;
};

/// Where a request goes. All point into the Snapshot.
struct Decision {
  const snapshot::VirtualHost* virtual_host = nullptr;
  const snapshot::Route* route = nullptr;
  const snapshot::Cluster* cluster = nullptr;
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
  explicit Index(const snapshot::Snapshot& snapshot);

  /// The listener with that name or at that address; null if there is none.
  const snapshot::Listener* listener(std::string_view name) const;
  const snapshot::Listener* listener(const base::Address& address) const;

  /// The way of one request that came in by `listener` (of this Snapshot). Virtual hosts: an exact domain
  /// before "*"; routes: the first that matches. With `trace`, every step is added to it.
  std::expected<Decision, Refusal> request(const snapshot::Listener& listener, const Request& request,
                                           Trace* trace = nullptr) const;
  /// The cluster of one opaque connection that came in by `listener`.
  std::expected<const snapshot::Cluster*, Refusal> connection(const snapshot::Listener& listener,
                                                              Trace* trace = nullptr) const;

 private:
  struct RouteTarget {
    const snapshot::Route* route;
    const snapshot::Cluster* cluster;  // null: the Snapshot has none of that name
  };
  struct Host {
    const snapshot::VirtualHost* virtual_host;
    std::vector<RouteTarget> routes;
  };
  struct Table {
    std::vector<Host> hosts;
    std::unordered_map<std::string_view, const Host*> by_domain;
    const Host* any = nullptr;
  };

  const Host* find_host(const Table& table, std::string_view host, Trace* trace) const;

  const snapshot::Snapshot& snapshot_;
  std::map<std::string_view, Table> tables_;
  /// In the order of the Snapshot's listeners; null where the table does not exist.
  std::vector<const Table*> listener_tables_;
  std::vector<const snapshot::Cluster*> listener_clusters_;
};

}  // namespace weft::decide
