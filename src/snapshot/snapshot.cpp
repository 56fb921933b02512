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
    if (cluster.proxy_protocol != ProxyProtocol::none && takes_http(cluster.protocol)) {
      return invalid(fmt::format(
          "cluster {}{} has the PROXY protocol, whose connections carry one client's bytes, and speaks HTTP",
          cluster.name, because_of(cluster.origin)));
    }
  }
  return {};
}

}  // namespace weft::snapshot
