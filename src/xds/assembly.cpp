#include "xds/assembly.h"

#include <algorithm>

namespace weft::xds {
namespace {

/// What is in force with the changes applied, by name.
template <class T>
std::map<std::string_view, const T*> merged(const std::vector<T>* in_force, const auto& changes) {
  std::map<std::string_view, const T*> parts;
  if (in_force) {
    for (const auto& part : *in_force) parts[part.name] = &part;
  }
  for (const auto& [name, change] : changes) {
    if (const auto* part = std::get_if<T>(&change)) {
      parts[name] = part;
    } else {
      parts.erase(name);
    }
  }
  return parts;
}

}  // namespace

template <class T>
void Assembly::put_change(Changes<T>& changes, const std::string& name, std::expected<T, XdsError> decoded) {
  if (decoded) {
    changes.insert_or_assign(name, std::move(*decoded));
  } else {
    changes.insert_or_assign(name, std::move(decoded.error()));
  }
}

void Assembly::put(Type type, const std::string& name, std::string version, std::string_view body,
                   Ignored& ignored) {
  forget_wanted(type);
  auto in_force = known(type).find(name);
  if (in_force != known(type).end() && in_force->second == version) return drop_change(type, name);
  fresh(type)[name] = std::move(version);
  switch (type) {
    case Type::context: return put_change(contexts_, name, decode_context(body, ignored));
    case Type::cluster: return put_change(clusters_, name, decode_cluster(body, ignored));
    case Type::endpoints: return put_change(endpoints_, name, decode_endpoints(body, ignored));
    case Type::listener: return put_change(listeners_, name, decode_listener(body, ignored));
    case Type::routes: return put_change(routes_, name, decode_routes(body, ignored));
    case Type::placement: return;
  }
}

void Assembly::remove(Type type, const std::string& name) {
  forget_wanted(type);
  fresh(type).erase(name);
  // That a name which is asked for does not exist is news too, so it is kept also for what was never there.
  switch (type) {
    case Type::context: contexts_.insert_or_assign(name, Removed()); return;
    case Type::cluster: clusters_.insert_or_assign(name, Removed()); break;
    case Type::endpoints: endpoints_.insert_or_assign(name, Removed()); return;
    case Type::listener: listeners_.insert_or_assign(name, Removed()); break;
    case Type::routes: routes_.insert_or_assign(name, Removed()); return;
    case Type::placement: return;
  }
  if (!known(type).contains(name)) drop_change(type, name);
}

void Assembly::drop_change(Type type, const std::string& name) {
  fresh(type).erase(name);
  switch (type) {
    case Type::context: contexts_.erase(name); return;
    case Type::cluster: clusters_.erase(name); return;
    case Type::endpoints: endpoints_.erase(name); return;
    case Type::listener: listeners_.erase(name); return;
    case Type::routes: routes_.erase(name); return;
    case Type::placement: return;
  }
}

void Assembly::forget_changes() {
  new_versions_ = {};
  heard_ = {};
  forget_wanted(Type::cluster);
  forget_wanted(Type::listener);
  contexts_.clear();
  clusters_.clear();
  endpoints_.clear();
  listeners_.clear();
  routes_.clear();
}

Assembly::Names Assembly::cluster_names() const {
  Names names;
  for (const auto& [name, version] : known(Type::cluster)) names.insert(name);
  for (const auto& [name, change] : clusters_) {
    if (std::holds_alternative<DecodedCluster>(change)) {
      names.insert(name);
    } else {
      names.erase(name);
    }
  }
  return names;
}

std::optional<std::string> Assembly::endpoints_name(const std::string& cluster) const {
  if (auto change = clusters_.find(cluster); change != clusters_.end()) {
    if (const auto* decoded = std::get_if<DecodedCluster>(&change->second)) return decoded->endpoints_name;
  }
  auto other = other_endpoints_.find(cluster);
  return other != other_endpoints_.end() ? other->second : std::optional(cluster);
}

void Assembly::forget_wanted(Type changed) {
  if (changed == Type::cluster) wanted_endpoints_.reset();
  if (changed == Type::listener) wanted_routes_.reset();
}

const Assembly::Names& Assembly::wanted(Type type) const {
  static const Names none;
  if (type == Type::endpoints) {
    if (!wanted_endpoints_) wanted_endpoints_ = wanted_endpoints();
    return *wanted_endpoints_;
  }
  if (type == Type::routes) {
    if (!wanted_routes_) wanted_routes_ = wanted_routes();
    return *wanted_routes_;
  }
  return none;
}

Assembly::Names Assembly::wanted_endpoints() const {
  Names names;
  for (const auto& cluster : cluster_names()) {
    if (auto name = endpoints_name(cluster)) names.insert(std::move(*name));
  }
  return names;
}

Assembly::Names Assembly::wanted_routes() const {
  Names names;
  for (const auto& [name, listener] : merged(in_force_ ? &in_force_->listeners : nullptr, listeners_)) {
    if (listener->protocol == snapshot::Protocol::http1) names.insert(listener->routes);
  }
  return names;
}

bool Assembly::is_complete() const {
  if (!in_force_) {
    bool has_context = std::ranges::any_of(
        contexts_, [](const auto& change) { return !std::holds_alternative<Removed>(change.second); });
    auto was_heard = [&](Type type) { return heard_[static_cast<std::size_t>(type)]; };
    if (!has_context || !was_heard(Type::cluster) || !was_heard(Type::listener)) return false;
  }
  for (const auto& name : wanted(Type::endpoints)) {
    if (!known(Type::endpoints).contains(name) && !endpoints_.contains(name)) return false;
  }
  for (const auto& name : wanted(Type::routes)) {
    if (!known(Type::routes).contains(name) && !routes_.contains(name)) return false;
  }
  return true;
}

bool Assembly::is_changed() const {
  // What is gone without having been in force changes nothing.
  auto changes = [](const auto& map, const Versions& known) {
    return std::ranges::any_of(map, [&](const auto& change) {
      return !std::holds_alternative<Removed>(change.second) || known.contains(change.first);
    });
  };
  return !in_force_ || changes(contexts_, known(Type::context)) || changes(clusters_, known(Type::cluster)) ||
         changes(endpoints_, known(Type::endpoints)) || changes(listeners_, known(Type::listener)) ||
         changes(routes_, known(Type::routes));
}

std::optional<XdsError> Assembly::first_error() const {
  std::optional<XdsError> found;
  auto look = [&](const auto& changes) {
    for (const auto& [name, change] : changes) {
      const auto* error = std::get_if<XdsError>(&change);
      if (error && !found) found = *error;
    }
  };
  look(contexts_);
  look(clusters_);
  look(endpoints_);
  look(listeners_);
  look(routes_);
  return found;
}

const std::vector<snapshot::Endpoint>* Assembly::endpoints(const std::string& name) const {
  if (auto change = endpoints_.find(name); change != endpoints_.end()) {
    const auto* decoded = std::get_if<DecodedEndpoints>(&change->second);
    return decoded ? &decoded->endpoints : nullptr;
  }
  if (!in_force_) return nullptr;
  auto is_fed_by = [&](const snapshot::Cluster& cluster) {
    auto other = other_endpoints_.find(cluster.name);
    return other != other_endpoints_.end() ? other->second == name : cluster.name == name;
  };
  const auto* same = snapshot::find_cluster(*in_force_, name);
  if (same && is_fed_by(*same)) return &same->endpoints;
  auto found = std::ranges::find_if(in_force_->clusters, is_fed_by);
  return found != in_force_->clusters.end() ? &found->endpoints : nullptr;
}

std::vector<snapshot::Cluster> Assembly::build_clusters() const {
  std::vector<snapshot::Cluster> clusters;
  for (const auto& name : cluster_names()) {
    auto change = clusters_.find(name);
    bool is_new = change != clusters_.end();
    const auto* in_force = in_force_ ? snapshot::find_cluster(*in_force_, name) : nullptr;
    auto fed_by = endpoints_name(name);
    const auto* fed = fed_by ? endpoints(*fed_by) : nullptr;
    auto& cluster =
        clusters.emplace_back(is_new ? std::get<DecodedCluster>(change->second).cluster : *in_force);
    if (fed_by) cluster.endpoints = fed ? *fed : std::vector<snapshot::Endpoint>();
  }
  return clusters;
}

std::expected<snapshot::SnapshotPtr, XdsError> Assembly::build() const {
  if (auto error = first_error()) return std::unexpected(std::move(*error));
  auto next = std::make_shared<snapshot::Snapshot>();
  if (in_force_) {
    next->context = in_force_->context;
    next->identity = in_force_->identity;
  }
  for (const auto& [name, change] : contexts_) {
    if (const auto* context = std::get_if<DecodedContext>(&change)) {
      next->context = context->id;
      next->identity = context->identity;
    }
  }
  for (const auto& [name, listener] : merged(in_force_ ? &in_force_->listeners : nullptr, listeners_)) {
    next->listeners.push_back(*listener);
  }
  const auto& used = wanted(Type::routes);
  for (const auto& [name, routes] : merged(in_force_ ? &in_force_->routes : nullptr, routes_)) {
    if (used.contains(routes->name)) next->routes.push_back(*routes);
  }
  next->clusters = build_clusters();
  if (auto checked = check_references(*next); !checked) return std::unexpected(std::move(checked.error()));
  return next;
}

template <class T>
void Assembly::note_removed(Type type, const Changes<T>& changes) {
  for (const auto& [name, change] : changes) {
    if (std::holds_alternative<Removed>(change)) known(type).erase(name);
  }
}

void Assembly::accept(snapshot::SnapshotPtr snapshot) {
  std::map<std::string, std::optional<std::string>, std::less<>> other;
  for (const auto& cluster : snapshot->clusters) {
    auto name = endpoints_name(cluster.name);
    if (name != cluster.name) other[cluster.name] = std::move(name);
  }
  note_removed(Type::context, contexts_);
  note_removed(Type::cluster, clusters_);
  note_removed(Type::endpoints, endpoints_);
  note_removed(Type::listener, listeners_);
  note_removed(Type::routes, routes_);
  for (auto type : snapshot_types) {
    for (auto& [name, version] : fresh(type)) known(type).insert_or_assign(name, std::move(version));
  }
  // What nothing leads to any more is not kept, and not claimed to be.
  for (auto type : {Type::endpoints, Type::routes}) {
    const auto& used = wanted(type);
    std::erase_if(known(type), [&](const auto& entry) { return !used.contains(entry.first); });
  }
  // That there are no such endpoints stays known for as long as a cluster leads to them.
  auto without_endpoints = wanted(Type::endpoints);
  std::erase_if(without_endpoints, [&](const auto& name) { return known(Type::endpoints).contains(name); });
  auto heard = heard_;
  forget_changes();
  heard_ = heard;
  for (const auto& name : without_endpoints) endpoints_.insert_or_assign(name, Removed());
  other_endpoints_ = std::move(other);
  in_force_ = std::move(snapshot);
}

std::map<std::string, std::string> Assembly::versions(Type type) const {
  return {known(type).begin(), known(type).end()};
}

}  // namespace weft::xds
