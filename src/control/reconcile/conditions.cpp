#include "control/reconcile/conditions.h"

namespace weft::control::reconcile {
namespace {

using base::Json;

const Json& member(const Json& of, const char* name) {
  static const Json nothing;
  if (!of.is_object()) return nothing;
  const auto at = of.find(name);
  return at == of.end() ? nothing : *at;
}

const Json* find_in(const Json& list, std::string_view type) {
  if (!list.is_array()) return nullptr;
  for (const auto& condition : list) {
    const auto& name = member(condition, "type");
    if (name.is_string() && name.get_ref<const std::string&>() == type) return &condition;
  }
  return nullptr;
}

}  // namespace

const Json& status_of(const Json& object) { return member(object, "status"); }

const Json& conditions_of(const Json& object) { return member(status_of(object), "conditions"); }

const Json* find_condition(const Json& object, std::string_view type) {
  return find_in(conditions_of(object), type);
}

void add_condition(Json& to, const Json& before, const Condition& condition, std::int64_t generation,
                   base::WallTime now) {
  Json next = {{"type", condition.type},
               {"status", condition.status},
               {"reason", condition.reason},
               {"message", condition.message}};
  if (generation > 0) next["observedGeneration"] = generation;
  const Json* last = find_in(before, condition.type);
  const bool same = last && member(*last, "status") == condition.status;
  const auto& since = same ? member(*last, "lastTransitionTime") : member(Json(), "");
  next["lastTransitionTime"] = since.is_string() ? since : Json(base::format_rfc3339(now));
  to.push_back(std::move(next));
}

}  // namespace weft::control::reconcile
