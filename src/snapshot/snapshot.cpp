#include "snapshot/snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace weft::snapshot {
namespace {

std::unexpected<std::string> invalid(std::string text) { return std::unexpected(std::move(text)); }

/// "(Service default/web spec.ports[0])" with a space before it, or nothing.
std::string because_of(const base::Origin& origin) {
  auto text = origin.to_string();
  return text.empty() ? text : " (" + text + ")";
}

/// The first name that does not stand behind the one before it; null if all do.
template <class T>
const std::string* misplaced(const Parts<T>& parts) {
  const auto found =
      std::ranges::adjacent_find(parts, [](const auto& a, const auto& b) { return a.name >= b.name; });
  return found == parts.end() ? nullptr : &std::next(found)->name;
}

std::expected<void, std::string> check_target(const Snapshot& snapshot, const Listener& listener) {
  if (takes_http(listener.protocol) && snapshot.routes.find(listener.routes) == nullptr) {
    return invalid(fmt::format("listener {}{} names the route table {}, which does not exist", listener.name,
                               because_of(listener.origin), listener.routes));
  }
  if (takes_bytes(listener.protocol) && snapshot.clusters.find(listener.cluster) == nullptr) {
    return invalid(fmt::format("listener {}{} names the cluster {}, which does not exist", listener.name,
                               because_of(listener.origin), listener.cluster));
  }
  for (const auto& names : listener.sni) {
    if (snapshot.clusters.find(names.cluster) == nullptr) {
      return invalid(fmt::format("listener {}{} names the cluster {}, which does not exist", listener.name,
                                 because_of(listener.origin), names.cluster));
    }
  }
  return {};
}

bool tells_client(const Cluster& cluster) { return cluster.proxy_protocol != ProxyProtocol::none; }

/// The first cluster that its routes lead to and that tells_client(); null if there is none.
const Cluster* telling_cluster(const Snapshot& snapshot, const VirtualHost& host) {
  for (const auto& route : host.routes) {
    const auto* forward = std::get_if<Forward>(&route.action);
    if (forward == nullptr) continue;
    for (const auto& target : forward->to) {
      const auto* cluster = snapshot.clusters.find(target.cluster);
      if (cluster != nullptr && tells_client(*cluster)) return cluster;
    }
  }
  return nullptr;
}

std::expected<void, std::string> check_routes(const Snapshot& snapshot) {
  if (std::ranges::none_of(snapshot.clusters, tells_client)) return {};
  for (const auto& table : snapshot.routes) {
    for (const auto& host : table.virtual_hosts) {
      if (const auto* cluster = telling_cluster(snapshot, host)) {
        return invalid(
            fmt::format("the route table {}{} leads requests to the cluster {}, whose connections have the "
                        "PROXY protocol and carry one client's bytes",
                        table.name, because_of(table.origin), cluster->name));
      }
    }
  }
  return {};
}

}  // namespace

std::expected<void, std::string> validate(const Snapshot& snapshot) {
  for (const auto* name :
       {misplaced(snapshot.listeners), misplaced(snapshot.routes), misplaced(snapshot.clusters)}) {
    if (name != nullptr) return invalid(fmt::format("{} is there twice or not in order", *name));
  }
  std::unordered_map<base::Address, std::string_view> taken;
  for (const auto& listener : snapshot.listeners) {
    if (!listener.address) return invalid(fmt::format("listener {} has no address", listener.name));
    const auto [other, is_new] = taken.try_emplace(listener.address, listener.name);
    if (!is_new) {
      return invalid(fmt::format("listeners {} and {} have the same address", other->second, listener.name));
    }
    if (auto checked = check_target(snapshot, listener); !checked) return checked;
  }
  for (const auto& cluster : snapshot.clusters) {
    if (std::ranges::any_of(cluster.endpoints, [](const auto& endpoint) { return !endpoint.address; }))
      return invalid(fmt::format("an endpoint of {} has no address", cluster.name));
  }
  return check_routes(snapshot);
}

}  // namespace weft::snapshot
