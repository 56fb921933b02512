// Which policy holds for which Service.
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

/// The stored TrafficPolicies. Of several for one Service the oldest holds, and of those that are equally old
/// the first by name (GEP-713), so that a new one never takes a Service from another unasked.
class Policies {
 public:
  using PolicyPtr = std::shared_ptr<const model::TrafficPolicy>;
  using Keys = std::set<store::Key>;

  /// Takes in a stored policy, or that there is none any more; gives the Services that it held or holds for.
  std::set<model::Ref> put(const store::Key& key, PolicyPtr policy);
  std::set<model::Ref> remove(const store::Key& key);

  /// The policy in force for a Service, which need not exist; null: none.
  PolicyPtr of(const model::Ref& service) const;
  /// The policies that name it.
  Keys naming(const model::Ref& service) const;
  /// The policy of that key, null if there is none.
  const model::TrafficPolicy* find(const store::Key& key) const;

 private:
  /// In the order in which they hold.
  static bool holds_before(const PolicyPtr& a, const PolicyPtr& b);

  std::map<store::Key, PolicyPtr> policies_;
  std::map<model::Ref, std::vector<PolicyPtr>> by_target_;
};

/// What a policy's target names.
model::Ref ref_of(const model::TrafficPolicy& policy, const model::PolicyTarget& target);
/// "default/patient"
std::string id_of(const model::TrafficPolicy& policy);

}  // namespace weft::control::reconcile
