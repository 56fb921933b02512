#include "xds/inventory.h"

#include <algorithm>
#include <cassert>
#include <set>

namespace weft::xds {
namespace {

using Entry = Inventory::Entry;

/// The version of `part`: that of `before` if the part is equal there, else that of its encoding.
template <class Part, class Encode>
std::string version_of(const Part& part, const Part* before, const Inventory* from, Type type,
                       Encode encode) {
  if (before && (before == &part || *before == part)) {
    if (const auto* entry = from->find(type, part.name)) return entry->version;
  }
  return encode(part).version;
}

const snapshot::Listener* find_listener(const snapshot::Snapshot& snapshot, std::string_view name) {
  auto found = std::ranges::lower_bound(snapshot.listeners, name, {}, &snapshot::Listener::name);
  return found != snapshot.listeners.end() && found->name == name ? &*found : nullptr;
}

}  // namespace

const Entry* Inventory::find(Type type, std::string_view name) const {
  const auto& sorted = of(type);
  auto found = std::ranges::lower_bound(sorted, name, {}, &Entry::name);
  return found != sorted.end() && found->name == name ? &*found : nullptr;
}

Resource Inventory::resource(Type type, std::string_view name) const {
  if (type == Type::placement) {
    const auto* entry = find(type, name);
    return encode_placement(placed[static_cast<std::size_t>(entry - of(type).data())]);
  }
  return encode_one(*snapshot, type, name).value_or(Resource{});
}

InventoryPtr take_inventory(snapshot::SnapshotPtr snapshot, const InventoryPtr& before) {
  assert(std::ranges::is_sorted(snapshot->clusters, {}, &snapshot::Cluster::name));
  assert(std::ranges::is_sorted(snapshot->listeners, {}, &snapshot::Listener::name));
  assert(std::ranges::is_sorted(snapshot->routes, {}, &snapshot::RouteTable::name));
  auto made = std::make_shared<Inventory>();
  const auto* old = before ? before->snapshot.get() : nullptr;
  auto into = [&](Type type) -> std::vector<Entry>& { return made->entries[static_cast<std::size_t>(type)]; };

  made->names.push_back(snapshot->context.to_string());
  into(Type::context).push_back({made->names.front(), encode_context(*snapshot).version});
  for (const auto& cluster : snapshot->clusters) {
    const auto* same = old ? snapshot::find_cluster(*old, cluster.name) : nullptr;
    const auto* from = before.get();
    into(Type::cluster)
        .push_back({cluster.name, version_of(cluster, same, from, Type::cluster, encode_cluster)});
    into(Type::endpoints)
        .push_back({cluster.name, version_of(cluster, same, from, Type::endpoints, encode_endpoints)});
  }
  std::set<std::string_view> used;
  for (const auto& listener : snapshot->listeners) {
    const auto* same = old ? find_listener(*old, listener.name) : nullptr;
    into(Type::listener)
        .push_back(
            {listener.name, version_of(listener, same, before.get(), Type::listener, encode_listener)});
    if (listener.protocol == snapshot::Protocol::http1) used.insert(listener.routes);
  }
  for (const auto& routes : snapshot->routes) {
    const auto* same = old ? snapshot::find_routes(*old, routes.name) : nullptr;
    into(Type::routes)
        .push_back({routes.name, version_of(routes, same, before.get(), Type::routes, encode_routes),
                    used.contains(routes.name)});
  }
  made->snapshot = std::move(snapshot);
  return made;
}

InventoryPtr take_inventory(std::vector<snapshot::ContextId> contexts) {
  auto made = std::make_shared<Inventory>();
  // By name, as entries are: '/' sorts before letters, so this is not the order of the pairs.
  std::ranges::sort(contexts, {}, [](const snapshot::ContextId& context) { return context.to_string(); });
  auto twice = std::ranges::unique(contexts);
  contexts.erase(twice.begin(), twice.end());
  made->placed = std::move(contexts);
  made->names.reserve(made->placed.size());
  auto& entries = made->entries[static_cast<std::size_t>(Type::placement)];
  for (const auto& context : made->placed) {
    made->names.push_back(context.to_string());
    entries.push_back({made->names.back(), encode_placement(context).version});
  }
  return made;
}

}  // namespace weft::xds
