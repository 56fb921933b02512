// The volumes of an instance, with what is in them.
#pragma once

#include <optional>
#include <vector>

#include "control/reconcile/world.h"
#include "provider/provider.h"

namespace weft::control::reconcile {

/// Those that its container mounts. `wrong_config`: a ConfigMap or Secret, or a key of it, does not exist and
/// is not optional.
provider::Result<std::vector<provider::Volume>> volumes_of(const World& world, const Instance& instance);

/// Whether one of them is made of a ConfigMap or Secret, of that one if one is given.
bool has_config_volumes(const model::PodSpec& pod, const std::optional<store::Key>& config = {});

/// Who it runs as: what its container says, else its pod.
provider::RunAs run_as(const model::PodSpec& pod);

}  // namespace weft::control::reconcile
