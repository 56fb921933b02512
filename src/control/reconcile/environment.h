// What an instance is told by its environment: its own variables, and where its dependencies are.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/compile/compile.h"
#include "control/reconcile/world.h"
#include "model/dependency.h"
#include "provider/provider.h"

namespace weft::control::reconcile {

/// In the form of provider::InstanceSpec::environment.
using Variables = std::vector<std::pair<std::string, std::string>>;

/// The keys of the addresses that `environment` needs: one for each port of each Service that the workload
/// declares.
std::set<std::string, std::less<>> environment_keys(const World& world, const model::Workload& node);

/// What an instance is told. In this order, and a later one of the same name wins: for each declared Service
/// <NAME>_SERVICE_HOST, <NAME>_SERVICE_PORT, <NAME>_URL and <NAME>_SERVICE_PORT_<PORT NAME>, whether or not
/// it exists yet (NAME as model::named_services() says); the keys of `envFrom`; `env`. What comes from a
/// ConfigMap, a Secret or a field is this very text, in which $(NAME) stays. `wrong_config`: something that
/// it needs does not exist; the detail names it, never a value.
provider::Result<Variables> environment(const World& world, const model::Workload& node,
                                        const Instance& instance, const compile::Addresses& addresses);

}  // namespace weft::control::reconcile
