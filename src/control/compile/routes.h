// HTTPRoutes as routes of a Snapshot: what they are attached to, where they lead, and which match goes before
// which (Gateway API v1, HTTPRoute; GEP-1426 for Services as parents).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/origin.h"
#include "model/dependency.h"
#include "model/resource.h"
#include "snapshot/snapshot.h"

namespace weft::control::compile {

/// In the order in which ties are decided: the oldest first, those made together by name.
using Routes = std::vector<std::shared_ptr<const model::HTTPRoute>>;
/// The Service of that name, if weft runs it; else null.
using FindService = std::function<const model::Service*(const model::Ref&)>;

/// Of the ways to one Service. Zero is no limit.
struct Way {
  std::chrono::milliseconds request{};
  /// Nothing: a route's own limit, none where there is none for the request; of TCP the proxy's own.
  std::optional<std::chrono::milliseconds> idle{};
  /// What HTTP endpoints are told as Host; empty: what the caller said.
  std::string host{};
  /// Who says `request`, for logs: "TrafficPolicy default/patient"; empty: the mesh.
  std::string limited_by{};
};

/// Upwards: no limit is what nothing would mean.
std::chrono::milliseconds to_milliseconds(base::Duration time);

/// The most routes of one listener, counted as if each host had those of all wider ones: proxies look at
/// those of a host one after the other, and every caller of the Service is told all of them.
inline constexpr std::size_t most_routes = 10'000;
/// Of the routes that are attached to one Service the first ones, as many as fit.
std::size_t fitting(const Routes& routes);

/// The Services that it is attached to, which need not be there.
std::set<model::Ref> parents_of(const model::HTTPRoute& route);
/// Those that its rules name.
std::set<model::Ref> backends_of(const model::HTTPRoute& route);

/// Whether the route governs that port of that Service: one of its parents names it, and requests come to it.
bool governs(const model::HTTPRoute& route, const model::Ref& service, const model::ServicePort& port);

/// Why requests for a backendRef are answered 500.
enum class BackendFault : std::uint8_t { invalid_kind, ref_not_permitted, not_found, unsupported_protocol };
/// Gateway API's reason for the condition ResolvedRefs: "BackendNotFound".
std::string_view reason_of(BackendFault fault);
/// Nothing: they go to the port of its Service.
std::optional<BackendFault> fault_of(const model::HTTPRoute& route, const model::BackendRef& backend,
                                     const FindService& find);
/// What it names, "default/web:80".
model::Ref ref_of(const model::HTTPRoute& route, const model::BackendRef& backend);

/// The virtual hosts of all routes that govern one port. Rules of a more exact host go before those of a
/// wider one, which its requests meet too; of one host the specification's precedence decides. `way` holds
/// where a rule says nothing.
std::vector<snapshot::VirtualHost> virtual_hosts(const Routes& routes, const Way& way,
                                                 const FindService& find);

/// A listener's table with the one route that sends everything to `cluster`.
snapshot::RouteTable route_all(const std::string& name, const std::string& cluster, const Way& way,
                               const base::Origin& origin);

}  // namespace weft::control::compile
