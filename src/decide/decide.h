// Pure decisions over a Snapshot: which listener, virtual host, route and cluster a request or connection
// meets. The proxy runs this on every request; explain and simulate run the same code with a trace.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/origin.h"
#include "snapshot/snapshot.h"

namespace weft::decide {

/// Why no cluster was found.
enum class Refusal : std::uint8_t { no_route_table, no_virtual_host, no_route, no_cluster };

/// "no virtual host takes this host" and the like.
std::string_view describe(Refusal refusal);

/// What of a request decides its way. `host` is a valid authority (message::split_authority) or empty; `path`
/// is with or without a query.
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

  /// The way of one request that came in by `listener` (of this Snapshot). Virtual hosts: by the exact
  /// domain, else by the longest suffix, else by the longest prefix, else by "*"; what names the request's
  /// port goes before all that names none, whatever the case and the last dot of the host (RFC 9110, 4.2.3).
  /// Routes: the first that matches. With `trace`, every step is added to it.
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
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using ByText = std::unordered_map<std::string, const Host*, TextHash, std::equal_to<>>;
  /// Of the domains with a star at one and the same end.
  struct Wildcards {
    ByText by_text;
    /// The sizes of their texts, the longest first.
    std::vector<std::size_t> sizes;
  };
  struct Domains {
    ByText exact;
    Wildcards suffixes;
    Wildcards prefixes;
    bool empty() const { return exact.empty() && suffixes.sizes.empty() && prefixes.sizes.empty(); }
  };
  struct Table {
    std::vector<Host> hosts;
    Domains with_port;
    Domains without_port;
    const Host* any = nullptr;
  };

  static void add_domain(Table& table, const std::string& text, const Host& host);
  static const Host* find(const Domains& domains, std::string_view host);
  static const Host* find(const Table& table, std::string_view authority);
  static void explain(const Table& table, const Host* found, std::string_view authority, Trace& trace);

  const snapshot::Snapshot& snapshot_;
  std::map<std::string_view, Table> tables_;
  /// In the order of the Snapshot's listeners; null where the table does not exist.
  std::vector<const Table*> listener_tables_;
  std::vector<const snapshot::Cluster*> listener_clusters_;
};

}  // namespace weft::decide
