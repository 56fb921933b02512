// Which policies and routes are attached to which Service.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "model/dependency.h"
#include "model/resource.h"
#include "store/store.h"

namespace weft::control::reconcile {

/// The stored objects of one kind that are attached to Services. Of several for one Service the oldest goes
/// first, and of those that are equally old the first by name (GEP-713; Gateway API, HTTPRouteRule.matches),
/// so that a new one never takes a Service from another unasked.
template <class T>
class Attached {
 public:
  using Ptr = std::shared_ptr<const T>;
  using Keys = std::set<store::Key>;

  /// Takes in a stored object, or that there is none any more; gives the Services that it is or was attached
  /// to.
  std::set<model::Ref> put(const store::Key& key, Ptr object);
  std::set<model::Ref> remove(const store::Key& key);

  /// Those that are attached to a Service, which need not exist, in their order.
  const std::vector<Ptr>& to(const model::Ref& service) const;
  /// The first of them, which holds where only one can; null: none.
  Ptr first(const model::Ref& service) const;
  /// Those whose status depends on that Service.
  Keys naming(const model::Ref& service) const;
  /// The object of that key, null if there is none.
  const T* find(const store::Key& key) const;

 private:
  /// In the order in which they go.
  static bool goes_before(const Ptr& a, const Ptr& b);

  std::map<store::Key, Ptr> objects_;
  std::map<model::Ref, std::vector<Ptr>> by_target_;
  std::map<model::Ref, Keys> by_name_;
};

using Policies = Attached<model::TrafficPolicy>;
using Routes = Attached<model::HTTPRoute>;

/// What a policy's target names.
model::Ref ref_of(const model::TrafficPolicy& policy, const model::PolicyTarget& target);
/// "default/patient"
std::string id_of(const model::ObjectMeta& metadata);

}  // namespace weft::control::reconcile
