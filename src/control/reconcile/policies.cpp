#include "control/reconcile/policies.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace weft::control::reconcile {

std::set<model::Ref> Policies::put(const store::Key& key, PolicyPtr policy) {
  auto touched = remove(key);
  for (const auto& target : policy->spec.target_refs) {
    const auto ref = ref_of(*policy, target);
    auto& rivals = by_target_[ref];
    rivals.insert(std::ranges::upper_bound(rivals, policy, holds_before), policy);
    touched.insert(ref);
  }
  policies_.insert_or_assign(key, std::move(policy));
  return touched;
}

std::set<model::Ref> Policies::remove(const store::Key& key) {
  std::set<model::Ref> touched;
  const auto known = policies_.extract(key);
  if (!known) return touched;
  for (const auto& target : known.mapped()->spec.target_refs) {
    const auto ref = ref_of(*known.mapped(), target);
    const auto rivals = by_target_.find(ref);
    std::erase(rivals->second, known.mapped());
    if (rivals->second.empty()) by_target_.erase(rivals);
    touched.insert(ref);
  }
  return touched;
}

Policies::PolicyPtr Policies::of(const model::Ref& service) const {
  const auto rivals = by_target_.find(service);
  return rivals == by_target_.end() ? nullptr : rivals->second.front();
}

Policies::Keys Policies::naming(const model::Ref& service) const {
  Keys keys;
  const auto rivals = by_target_.find(service);
  if (rivals == by_target_.end()) return keys;
  for (const auto& policy : rivals->second)
    keys.insert({std::string(model::TrafficPolicy::kind), policy->metadata.ns, policy->metadata.name});
  return keys;
}

const model::TrafficPolicy* Policies::find(const store::Key& key) const {
  const auto at = policies_.find(key);
  return at == policies_.end() ? nullptr : at->second.get();
}

bool Policies::holds_before(const PolicyPtr& a, const PolicyPtr& b) {
  // RFC 3339 in UTC sorts as text.
  const auto rank = [](const model::ObjectMeta& of) { return std::tie(of.creation_timestamp, of.name); };
  return rank(a->metadata) < rank(b->metadata);
}

model::Ref ref_of(const model::TrafficPolicy& policy, const model::PolicyTarget& target) {
  return {model::DependencyKind::service, policy.metadata.ns, target.name};
}

std::string id_of(const model::TrafficPolicy& policy) {
  return policy.metadata.ns + "/" + policy.metadata.name;
}

}  // namespace weft::control::reconcile
