#include "snapshot/snapshot.h"

#include <algorithm>

namespace weft::snapshot {
namespace {

template <class T>
const T* find_named(const std::vector<T>& sorted, std::string_view name) {
  auto at =
      std::ranges::lower_bound(sorted, name, {}, [](const T& item) -> std::string_view { return item.name; });
  return at != sorted.end() && at->name == name ? &*at : nullptr;
}

}  // namespace

const Cluster* find_cluster(const Snapshot& snapshot, std::string_view name) {
  return find_named(snapshot.clusters, name);
}

const RouteTable* find_routes(const Snapshot& snapshot, std::string_view name) {
  return find_named(snapshot.routes, name);
}

}  // namespace weft::snapshot
