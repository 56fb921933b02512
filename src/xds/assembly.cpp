#include "xds/assembly.h"

#include <algorithm>

namespace weft::xds {
namespace {

/// What is in force with the changes applied.
template <class T>
snapshot::Parts<T> merged(const snapshot::Parts<T>* in_force, const auto& changes) {
  auto parts = in_force == nullptr ? snapshot::Parts<T>() : *in_force;
  std::vector<std::shared_ptr<const T>> added;
  for (const auto& [name, change] : changes) {
    const auto* part = std::get_if<std::shared_ptr<const T>>(&change);
    const auto at = parts.place(name);
    if (part != nullptr && at && (*part)->name == name) {
      parts.replace(*at, *part);
    } else {
      parts.remove(name);
      if (part != nullptr) added.push_back(*part);
    }
  }
  if (added.empty()) return parts;
  for (auto& part : added) parts.push_back(std::move(part));
  parts.sort();
  return parts;
}

}  // namespace

template <class T>
void Assembly::put_change(Changes<T>& changes, const std::string& name, std::expected<T, XdsError> decoded) {
  if (decoded) {
    changes.insert_or_assign(name, std::make_shared<T>(std::move(*decoded)));
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
  if (!clusters_.empty()) forget_wanted(Type::cluster);
  if (!listeners_.empty()) forget_wanted(Type::listener);
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
    if (std::holds_alternative<std::shared_ptr<const DecodedCluster>>(change)) {
      names.insert(name);
    } else {
      names.erase(name);
    }
  }
  return names;
}

std::optional<std::string> Assembly::endpoints_name(const std::string& cluster) const {
  if (auto change = clusters_.find(cluster); change != clusters_.end()) {
    const auto* decoded = std::get_if<std::shared_ptr<const DecodedCluster>>(&change->second);
    if (decoded) return (*decoded)->endpoints_name;
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
  for (const auto& listener : merged(in_force_ ? &in_force_->listeners : nullptr, listeners_)) {
    if (takes_http(listener.protocol)) names.insert(listener.routes);
  }
  return names;
}

bool Assembly::has_new_endpoints_only() const {
  return in_force_ && contexts_.empty() && clusters_.empty() && listeners_.empty() && routes_.empty();
}

bool Assembly::is_complete() const {
  if (has_new_endpoints_only()) return true;  // what is in force was
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
    const auto* decoded = std::get_if<std::shared_ptr<const DecodedEndpoints>>(&change->second);
    return decoded ? &(*decoded)->endpoints : nullptr;
  }
  for (const auto& cluster : fed_by(name)) return &in_force_->clusters.find(cluster)->endpoints;
  return nullptr;
}

std::vector<std::string> Assembly::fed_by(const std::string& endpoints) const {
  std::vector<std::string> clusters;
  if (!in_force_) return clusters;
  if (in_force_->clusters.find(endpoints) != nullptr && !other_endpoints_.contains(endpoints))
    clusters.push_back(endpoints);
  for (const auto& [cluster, name] : other_endpoints_) {
    if (name == endpoints) clusters.push_back(cluster);
  }
  return clusters;
}

snapshot::Parts<snapshot::Cluster> Assembly::build_clusters() const {
  // Those that were sent, and those whose endpoints were, each as it is to be.
  std::map<std::string, std::variant<Removed, std::shared_ptr<const snapshot::Cluster>>, std::less<>> changes;
  const auto rebuild = [&](const std::string& name, const snapshot::Cluster& from) {
    auto cluster = std::make_shared<snapshot::Cluster>(from);
    if (const auto fed = endpoints_name(name)) {
      const auto* list = endpoints(*fed);
      cluster->endpoints = list ? *list : std::vector<snapshot::Endpoint>();
    }
    const auto* in_force = in_force_ ? in_force_->clusters.find(name) : nullptr;
    if (in_force == nullptr || *in_force != *cluster) changes.insert_or_assign(name, std::move(cluster));
  };
  for (const auto& [name, change] : endpoints_) {
    for (const auto& cluster : fed_by(name)) rebuild(cluster, *in_force_->clusters.find(cluster));
  }
  for (const auto& [name, change] : clusters_) {
    const auto* decoded = std::get_if<std::shared_ptr<const DecodedCluster>>(&change);
    if (decoded) {
      rebuild(name, (*decoded)->cluster);
    } else {
      changes.insert_or_assign(name, Removed());
    }
  }
  return merged(in_force_ ? &in_force_->clusters : nullptr, changes);
}

std::expected<snapshot::SnapshotPtr, XdsError> Assembly::build() const {
  if (auto error = first_error()) return std::unexpected(std::move(*error));
  auto next =
      in_force_ ? std::make_shared<snapshot::Snapshot>(*in_force_) : std::make_shared<snapshot::Snapshot>();
  for (const auto& [name, change] : contexts_) {
    if (const auto* context = std::get_if<std::shared_ptr<const DecodedContext>>(&change)) {
      next->context = (*context)->id;
      next->identity = (*context)->identity;
    }
  }
  if (!listeners_.empty()) next->listeners = merged(in_force_ ? &in_force_->listeners : nullptr, listeners_);
  if (!routes_.empty()) next->routes = merged(in_force_ ? &in_force_->routes : nullptr, routes_);
  if (!listeners_.empty() || !routes_.empty()) {
    const auto& used = wanted(Type::routes);
    next->routes.erase_if([&](const auto& routes) { return !used.contains(routes.name); });
  }
  next->clusters = build_clusters();
  if (auto valid = snapshot::validate(*next); !valid)
    return base::fail(XdsErrorKind::invalid_resource, std::move(valid.error()));
  return next;
}

template <class T>
void Assembly::note_removed(Type type, const Changes<T>& changes) {
  for (const auto& [name, change] : changes) {
    if (std::holds_alternative<Removed>(change)) known(type).erase(name);
  }
}

void Assembly::accept(snapshot::SnapshotPtr snapshot) {
  auto other = other_endpoints_;
  for (const auto& [name, change] : clusters_) {
    const auto* decoded = std::get_if<std::shared_ptr<const DecodedCluster>>(&change);
    if (decoded && (*decoded)->endpoints_name != name) {
      other.insert_or_assign(name, (*decoded)->endpoints_name);
    } else {
      other.erase(name);
    }
  }
  const bool has_same_ways = has_new_endpoints_only();
  note_removed(Type::context, contexts_);
  note_removed(Type::cluster, clusters_);
  note_removed(Type::endpoints, endpoints_);
  note_removed(Type::listener, listeners_);
  note_removed(Type::routes, routes_);
  for (auto type : snapshot_types) {
    for (auto& [name, version] : fresh(type)) known(type).insert_or_assign(name, std::move(version));
  }
  // What nothing leads to any more, or ever did, is not kept, and not claimed to be.
  for (auto type : {Type::endpoints, Type::routes}) {
    const auto& used = wanted(type);
    if (has_same_ways) {
      for (const auto& [name, version] : fresh(type)) {
        if (!used.contains(name)) known(type).erase(name);
      }
    } else {
      std::erase_if(known(type), [&](const auto& entry) { return !used.contains(entry.first); });
    }
  }
  // That there are no such endpoints stays known for as long as a cluster leads to them.
  Names without_endpoints;
  for (const auto& [name, change] : endpoints_) {
    if (std::holds_alternative<Removed>(change) && wanted(Type::endpoints).contains(name))
      without_endpoints.insert(name);
  }
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
