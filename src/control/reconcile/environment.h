// What an instance is told by its environment: its own variables, and where its dependencies are.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/compile/compile.h"
#include "control/reconcile/world.h"
#include "model/dependency.h"

namespace weft::control::reconcile {

/// The keys of the addresses that `environment` needs: one for each port of each Service that the workload
/// declares.
std::set<std::string, std::less<>> environment_keys(const World& world, const model::Workload& node);

/// For each declared Service <NAME>_SERVICE_HOST, <NAME>_SERVICE_PORT, <NAME>_URL and
/// <NAME>_SERVICE_PORT_<PORT NAME> for further ports, whether or not it exists yet; NAME in upper case, with
/// _ for - and dots. Of two of the same name the one in the workload's own namespace counts. The container's
/// own variables come last, in their order, and so win.
std::vector<std::pair<std::string, std::string>> environment(const World& world, const model::Workload& node,
                                                             const model::Container& container,
                                                             const compile::Addresses& addresses);

}  // namespace weft::control::reconcile
