// One context's configuration on the proxy's side: the Snapshot in force and, beside it, what the control
// plane has sent since. It says what is still missing and makes the next Snapshot once that is whole. No I/O.
#pragma once

#include <array>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "snapshot/snapshot.h"
#include "xds/wire.h"

namespace weft::xds {

class Assembly {
 public:
  /// Takes a resource as it came; one that cannot be read is kept as its error, which build() gives.
  void put(Type type, const std::string& name, std::string version, std::string_view body, Ignored& ignored);
  void remove(Type type, const std::string& name);
  /// A response of that type has come, also if it was empty.
  void heard(Type type) { heard_[static_cast<std::size_t>(type)] = true; }

  using Names = std::set<std::string, std::less<>>;
  /// The endpoints' or routes' names that what is known by now leads to. Valid until something is put or
  /// removed.
  const Names& wanted(Type type) const;
  /// Whether nothing is missing that has to come before build() makes sense.
  bool is_complete() const;
  /// Whether the control plane has sent anything that differs from the Snapshot in force.
  bool is_changed() const;
  /// The next Snapshot. Errors: `invalid_resource`.
  std::expected<snapshot::SnapshotPtr, XdsError> build() const;
  /// `snapshot`, as build() made it, is now in force.
  void accept(snapshot::SnapshotPtr snapshot);
  /// Forgets what was sent but is not in force: a new connection begins from what is.
  void forget_changes();

  const snapshot::SnapshotPtr& in_force() const { return in_force_; }
  /// Versions of the resources in force.
  std::map<std::string, std::string> versions(Type type) const;

 private:
  struct Removed {};
  /// What a resource says, that it is gone, or why it cannot be used.
  template <class T>
  using Change = std::variant<Removed, XdsError, std::shared_ptr<const T>>;
  template <class T>
  using Changes = std::map<std::string, Change<T>, std::less<>>;
  using Versions = std::map<std::string, std::string, std::less<>>;

  template <class T>
  void put_change(Changes<T>& changes, const std::string& name, std::expected<T, XdsError> decoded);
  Versions& known(Type type) { return versions_[static_cast<std::size_t>(type)]; }
  const Versions& known(Type type) const { return versions_[static_cast<std::size_t>(type)]; }
  Versions& fresh(Type type) { return new_versions_[static_cast<std::size_t>(type)]; }
  const Versions& fresh(Type type) const { return new_versions_[static_cast<std::size_t>(type)]; }
  template <class T>
  void note_removed(Type type, const Changes<T>& changes);
  void drop_change(Type type, const std::string& name);
  std::optional<std::string> endpoints_name(const std::string& cluster) const;
  Names cluster_names() const;
  Names wanted_endpoints() const;
  Names wanted_routes() const;
  /// A cluster or listener has changed: wanted() is to be made anew.
  void forget_wanted(Type changed);
  const std::vector<snapshot::Endpoint>* endpoints(const std::string& name) const;
  /// Whether nothing but endpoints has been sent, and those are only of clusters in force.
  bool has_new_endpoints_only() const;
  std::optional<XdsError> first_error() const;
  snapshot::Parts<snapshot::Cluster> build_clusters() const;
  /// The clusters in force that have the endpoints of that name.
  std::vector<std::string> fed_by(const std::string& endpoints) const;

  snapshot::SnapshotPtr in_force_;
  std::array<Versions, type_count> versions_;
  /// Of clusters in force whose endpoints do not carry the cluster's name: their name, or nothing if they
  /// came inline.
  std::map<std::string, std::optional<std::string>, std::less<>> other_endpoints_;

  std::array<Versions, type_count> new_versions_;
  std::array<bool, type_count> heard_{};
  Changes<DecodedContext> contexts_;
  Changes<DecodedCluster> clusters_;
  Changes<DecodedEndpoints> endpoints_;
  Changes<snapshot::Listener> listeners_;
  Changes<snapshot::RouteTable> routes_;

  mutable std::optional<Names> wanted_endpoints_;
  mutable std::optional<Names> wanted_routes_;
};

}  // namespace weft::xds
