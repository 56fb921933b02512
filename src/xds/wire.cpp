#include "xds/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace weft::xds {
namespace {

constexpr std::array<std::string_view, type_count> urls{
    "type.googleapis.com/weft.mesh.v1.Context",
    "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "type.googleapis.com/envoy.config.listener.v3.Listener",
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "type.googleapis.com/weft.mesh.v1.Placement",
};

std::unexpected<XdsError> invalid(std::string text) {
  return base::fail(XdsErrorKind::invalid_resource, std::move(text));
}

/// Resources of a Snapshot while they are collected, by name.
struct Parts {
  std::optional<DecodedContext> context;
  std::map<std::string, DecodedCluster> clusters;
  std::map<std::string, std::vector<snapshot::Endpoint>> endpoints;
  std::map<std::string, snapshot::Listener> listeners;
  std::map<std::string, snapshot::RouteTable> routes;
};

template <class Part, class Map, class Value>
std::expected<void, XdsError> keep(const Resource& resource, std::expected<Part, XdsError> decoded, Map& into,
                                   Value value) {
  if (!decoded) return std::unexpected(std::move(decoded.error()));
  if (!into.emplace(resource.name, value(std::move(*decoded))).second) {
    return invalid(fmt::format("{} {} comes twice", type_url(resource.type), resource.name));
  }
  return {};
}

std::expected<void, XdsError> add(Parts& parts, const Resource& resource) {
  Ignored ignored;
  auto same = [](auto part) { return part; };
  switch (resource.type) {
    case Type::context: {
      auto context = decode_context(resource.body, ignored);
      if (!context) return std::unexpected(std::move(context.error()));
      if (parts.context) return invalid("two contexts");
      parts.context = std::move(*context);
      return {};
    }
    case Type::cluster: return keep(resource, decode_cluster(resource.body, ignored), parts.clusters, same);
    case Type::endpoints:
      return keep(resource, decode_endpoints(resource.body, ignored), parts.endpoints,
                  [](DecodedEndpoints decoded) { return std::move(decoded.endpoints); });
    case Type::listener:
      return keep(resource, decode_listener(resource.body, ignored), parts.listeners, same);
    case Type::routes: return keep(resource, decode_routes(resource.body, ignored), parts.routes, same);
    case Type::placement: return invalid("a placement is no part of a Snapshot");
  }
  return {};
}

/// "(Service default/web spec.ports[0])" with a space before it, or nothing.
std::string because_of(const base::Origin& origin) {
  auto text = origin.to_string();
  return text.empty() ? text : " (" + text + ")";
}

}  // namespace

std::string_view words(XdsErrorKind kind) {
  switch (kind) {
    case XdsErrorKind::invalid_resource: return "invalid resource";
    case XdsErrorKind::nacked: return "refused by the proxy";
    case XdsErrorKind::timeout: return "not acknowledged in time";
    case XdsErrorKind::not_published: return "nothing published";
  }
  return "";
}

std::string_view type_url(Type type) { return urls[static_cast<std::size_t>(type)]; }

std::optional<Type> type_of(std::string_view url) {
  auto found = std::ranges::find(urls, url);
  if (found == urls.end()) return std::nullopt;
  return static_cast<Type>(found - urls.begin());
}

std::expected<snapshot::Snapshot, XdsError> decode(std::span<const Resource> resources) {
  Parts parts;
  for (const auto& resource : resources) {
    if (auto added = add(parts, resource); !added) return std::unexpected(std::move(added.error()));
  }
  if (!parts.context) return invalid("there is no context");
  snapshot::Snapshot snapshot;
  snapshot.context = std::move(parts.context->id);
  snapshot.identity = std::move(parts.context->identity);
  for (auto& [name, listener] : parts.listeners) snapshot.listeners.push_back(std::move(listener));
  for (auto& [name, routes] : parts.routes) snapshot.routes.push_back(std::move(routes));
  for (auto& [name, decoded] : parts.clusters) {
    if (decoded.endpoints_name) {
      auto endpoints = parts.endpoints.find(*decoded.endpoints_name);
      if (endpoints == parts.endpoints.end()) {
        return invalid(
            fmt::format("cluster {}{} has no endpoints resource", name, because_of(decoded.cluster.origin)));
      }
      decoded.cluster.endpoints = endpoints->second;
    }
    snapshot.clusters.push_back(std::move(decoded.cluster));
  }
  if (auto checked = check_references(snapshot); !checked) return std::unexpected(std::move(checked.error()));
  return snapshot;
}

std::expected<void, XdsError> check_references(const snapshot::Snapshot& snapshot) {
  for (const auto& listener : snapshot.listeners) {
    bool http = listener.protocol == snapshot::Protocol::http1;
    if (http && !snapshot::find_routes(snapshot, listener.routes)) {
      return invalid(fmt::format("listener {}{} names the route table {}, which does not exist",
                                 listener.name, because_of(listener.origin), listener.routes));
    }
    if (!http && !snapshot::find_cluster(snapshot, listener.cluster)) {
      return invalid(fmt::format("listener {}{} names the cluster {}, which does not exist", listener.name,
                                 because_of(listener.origin), listener.cluster));
    }
  }
  return {};
}

}  // namespace weft::xds
