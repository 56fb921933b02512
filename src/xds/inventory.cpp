#include "xds/inventory.h"

#include <algorithm>
#include <cassert>
#include <set>

namespace weft::xds {
namespace {

using Entry = Inventory::Entry;

/// The versions of `parts`: of those that `before` has as well they are taken from there, else from their
/// encoding.
template <class Part>
std::vector<Entry> versions_of(const snapshot::Parts<Part>& parts, const snapshot::Parts<Part>* before,
                               const std::vector<Entry>& known, const auto& encode) {
  std::vector<Entry> entries;
  entries.reserve(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto& part = parts.shared(i);
    const bool is_in_place = before != nullptr && i < before->size() && before->shared(i) == part;
    const auto at = is_in_place         ? std::optional(i)
                    : before != nullptr ? before->place(part->name)
                                        : std::nullopt;
    const bool is_known = at && (before->shared(*at) == part || (*before)[*at] == *part);
    entries.push_back({part->name, is_known ? known[*at].version : encode(*part).version});
  }
  return entries;
}

Inventory::Entries share(std::vector<Entry> entries) {
  return std::make_shared<const std::vector<Entry>>(std::move(entries));
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
  return encode_one(*snapshot, type, name, dialect).value_or(Resource{});
}

InventoryPtr take_inventory(snapshot::SnapshotPtr snapshot, const InventoryPtr& before, Dialect dialect) {
  if (dialect != Dialect::weft) snapshot = translate(*snapshot, dialect, before ? before->snapshot : nullptr);
  assert(std::ranges::is_sorted(snapshot->clusters, {}, &snapshot::Cluster::name));
  assert(std::ranges::is_sorted(snapshot->listeners, {}, &snapshot::Listener::name));
  assert(std::ranges::is_sorted(snapshot->routes, {}, &snapshot::RouteTable::name));
  auto made = std::make_shared<Inventory>();
  made->dialect = dialect;
  const auto* old = before ? before->snapshot.get() : nullptr;
  const auto at = [&made](Type type) -> Inventory::Entries& {
    return made->entries[static_cast<std::size_t>(type)];
  };
  const auto versions = [&]<class Part>(Type type, snapshot::Parts<Part> snapshot::Snapshot::* parts,
                                        Resource (*encode)(const Part&, Dialect)) {
    static const std::vector<Entry> none;
    return versions_of((*snapshot).*parts, old == nullptr ? nullptr : &(old->*parts),
                       before ? before->of(type) : none,
                       [=](const Part& part) { return encode(part, dialect); });
  };
  const auto add = [&]<class Part>(Type type, snapshot::Parts<Part> snapshot::Snapshot::* parts,
                                   Resource (*encode)(const Part&, Dialect)) {
    const bool is_same = old != nullptr && ((*snapshot).*parts).is_same(old->*parts);
    at(type) = is_same ? before->shared(type) : share(versions(type, parts, encode));
  };

  if (dialect == Dialect::weft) {
    made->names.push_back(snapshot->context.to_string());
    at(Type::context) = share({{made->names.front(), encode_context(*snapshot).version}});
  }
  add(Type::cluster, &snapshot::Snapshot::clusters, encode_cluster);
  add(Type::endpoints, &snapshot::Snapshot::clusters, encode_endpoints);
  add(Type::listener, &snapshot::Snapshot::listeners, encode_listener);
  if (old != nullptr && snapshot->listeners.is_same(old->listeners) &&
      snapshot->routes.is_same(old->routes)) {
    at(Type::routes) = before->shared(Type::routes);
  } else {
    std::set<std::string_view> used;
    for (const auto& listener : snapshot->listeners) {
      if (takes_http(listener.protocol)) used.insert(listener.routes);
    }
    auto routes = versions(Type::routes, &snapshot::Snapshot::routes, encode_routes);
    for (auto& entry : routes) entry.referenced = used.contains(entry.name);
    at(Type::routes) = share(std::move(routes));
  }
  made->snapshot = std::move(snapshot);
  return made;
}

InventoryPtr Translations::of(const snapshot::SnapshotPtr& snapshot, Dialect dialect) {
  auto& [of, inventory] = known_[dialect];
  if (of != snapshot) inventory = take_inventory(snapshot, inventory, dialect);
  of = snapshot;
  return inventory;
}

InventoryPtr take_inventory(std::vector<snapshot::ContextId> contexts) {
  auto made = std::make_shared<Inventory>();
  // By name, as entries are: '/' sorts before letters, so this is not the order of the pairs.
  std::ranges::sort(contexts, {}, [](const snapshot::ContextId& context) { return context.to_string(); });
  auto twice = std::ranges::unique(contexts);
  contexts.erase(twice.begin(), twice.end());
  made->placed = std::move(contexts);
  made->names.reserve(made->placed.size());
  std::vector<Entry> entries;
  for (const auto& context : made->placed) {
    made->names.push_back(context.to_string());
    entries.push_back({made->names.back(), encode_placement(context).version});
  }
  made->entries[static_cast<std::size_t>(Type::placement)] = share(std::move(entries));
  return made;
}

}  // namespace weft::xds
