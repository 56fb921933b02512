// Kubernetes' status conditions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"

namespace weft::control::reconcile {

struct Condition {
  std::string_view type;
  /// "True", "False" or "Unknown".
  std::string_view status;
  std::string_view reason;
  std::string message;
};

inline std::string_view truth(bool value) { return value ? "True" : "False"; }

/// Appends `condition` to the list `to`. Its lastTransitionTime is that of the condition of its type in
/// `before` (a list or null) if the status is the same, else `now`. `generation` is what was observed; 0:
/// none is written.
void add_condition(base::Json& to, const base::Json& before, const Condition& condition,
                   std::int64_t generation, base::WallTime now);

/// The condition of that type in an object's status, null if there is none.
const base::Json* find_condition(const base::Json& object, std::string_view type);
/// The member `status` of an object, or null.
const base::Json& status_of(const base::Json& object);
/// The list of conditions in an object's status, or null.
const base::Json& conditions_of(const base::Json& object);

}  // namespace weft::control::reconcile
