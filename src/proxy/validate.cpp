#include "proxy/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace weft::proxy {
namespace {

/// The first name that does not stand behind the one before it; null if all do.
template <class Element>
const std::string* misplaced(const std::vector<Element>& list) {
  const auto found =
      std::ranges::adjacent_find(list, [](const auto& a, const auto& b) { return a.name >= b.name; });
  return found == list.end() ? nullptr : &std::next(found)->name;
}

}  // namespace

std::expected<void, std::string> validate(const snapshot::Snapshot& snapshot) {
  for (const auto* name :
       {misplaced(snapshot.listeners), misplaced(snapshot.routes), misplaced(snapshot.clusters)}) {
    if (name != nullptr) return std::unexpected(fmt::format("{} is there twice or not in order", *name));
  }
  for (const auto& listener : snapshot.listeners) {
    if (!listener.address) return std::unexpected(fmt::format("listener {} has no address", listener.name));
    const auto same = std::ranges::find(snapshot.listeners, listener.address, &snapshot::Listener::address);
    if (same->name != listener.name) {
      return std::unexpected(
          fmt::format("listeners {} and {} have the same address", same->name, listener.name));
    }
    const bool is_http = listener.protocol == snapshot::Protocol::http1;
    if (is_http && find_routes(snapshot, listener.routes) == nullptr) {
      return std::unexpected(
          fmt::format("listener {} names the routes {}, which do not exist", listener.name, listener.routes));
    }
    if (!is_http && find_cluster(snapshot, listener.cluster) == nullptr) {
      return std::unexpected(fmt::format("listener {} names the cluster {}, which does not exist",
                                         listener.name, listener.cluster));
    }
  }
  for (const auto& cluster : snapshot.clusters) {
    for (const auto& endpoint : cluster.endpoints) {
      if (!endpoint.address)
        return std::unexpected(fmt::format("an endpoint of {} has no address", cluster.name));
    }
  }
  return {};
}

}  // namespace weft::proxy
