// What the templates that a Deployment has had are kept for.
#pragma once

#include <memory>
#include <string>

#include "control/reconcile/world.h"

namespace weft::control::reconcile {

/// What instances of that template of the workload run: of its present one, or of one that is kept as a
/// ControllerRevision. Null if that template is not known any more.
std::shared_ptr<const model::PodSpec> pod_of_template(const World& world, const Workload& workload,
                                                      const std::string& template_hash);

}  // namespace weft::control::reconcile
