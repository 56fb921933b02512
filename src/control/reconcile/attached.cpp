#include "control/reconcile/attached.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "control/compile/routes.h"

namespace weft::control::reconcile {
namespace {

std::set<model::Ref> targets_of(const model::TrafficPolicy& policy) {
  std::set<model::Ref> targets;
  for (const auto& target : policy.spec.target_refs) targets.insert(ref_of(policy, target));
  return targets;
}
std::set<model::Ref> targets_of(const model::HTTPRoute& route) { return compile::parents_of(route); }

std::set<model::Ref> named_by(const model::TrafficPolicy& policy) { return targets_of(policy); }
std::set<model::Ref> named_by(const model::HTTPRoute& route) {
  auto named = targets_of(route);
  named.merge(compile::backends_of(route));
  return named;
}

}  // namespace

template <class T>
std::set<model::Ref> Attached<T>::put(const store::Key& key, Ptr object) {
  auto touched = remove(key);
  for (const auto& ref : targets_of(*object)) {
    auto& rivals = by_target_[ref];
    rivals.insert(std::ranges::upper_bound(rivals, object, goes_before), object);
    touched.insert(ref);
  }
  for (const auto& ref : named_by(*object)) by_name_[ref].insert(key);
  objects_.insert_or_assign(key, std::move(object));
  return touched;
}

template <class T>
std::set<model::Ref> Attached<T>::remove(const store::Key& key) {
  const auto known = objects_.extract(key);
  if (!known) return {};
  for (const auto& ref : named_by(*known.mapped())) {
    const auto names = by_name_.find(ref);
    names->second.erase(key);
    if (names->second.empty()) by_name_.erase(names);
  }
  auto touched = targets_of(*known.mapped());
  for (const auto& ref : touched) {
    const auto rivals = by_target_.find(ref);
    std::erase(rivals->second, known.mapped());
    if (rivals->second.empty()) by_target_.erase(rivals);
  }
  return touched;
}

template <class T>
const std::vector<typename Attached<T>::Ptr>& Attached<T>::to(const model::Ref& service) const {
  static const std::vector<Ptr> none;
  const auto rivals = by_target_.find(service);
  return rivals == by_target_.end() ? none : rivals->second;
}

template <class T>
typename Attached<T>::Ptr Attached<T>::first(const model::Ref& service) const {
  const auto& rivals = to(service);
  return rivals.empty() ? nullptr : rivals.front();
}

template <class T>
typename Attached<T>::Keys Attached<T>::naming(const model::Ref& service) const {
  const auto found = by_name_.find(service);
  return found == by_name_.end() ? Keys() : found->second;
}

template <class T>
const T* Attached<T>::find(const store::Key& key) const {
  const auto at = objects_.find(key);
  return at == objects_.end() ? nullptr : at->second.get();
}

template <class T>
bool Attached<T>::goes_before(const Ptr& a, const Ptr& b) {
  // RFC 3339 in UTC sorts as text.
  const auto rank = [](const model::ObjectMeta& of) { return std::tie(of.creation_timestamp, of.name); };
  return rank(a->metadata) < rank(b->metadata);
}

template class Attached<model::TrafficPolicy>;
template class Attached<model::HTTPRoute>;

model::Ref ref_of(const model::TrafficPolicy& policy, const model::PolicyTarget& target) {
  return {model::DependencyKind::service, policy.metadata.ns, target.name};
}

std::string id_of(const model::ObjectMeta& metadata) { return metadata.ns + "/" + metadata.name; }

}  // namespace weft::control::reconcile
