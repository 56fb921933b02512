#include "xds/wire.h"

#include <algorithm>

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

}  // namespace weft::xds
