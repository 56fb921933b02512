// The mesh as a whole: its processes, what it is doing, and its end.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/failure.h"
#include "cli/metrics.h"
#include "runtime/home.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::cli {

/// Stops all instances in reverse order of dependency, then the mesh's own processes; returns when they are
/// gone. `on_step` gets a line about each step. Without a running mesh it does nothing.
runtime::Task<Result<void>> stop_mesh(runtime::Reactor& reactor, runtime::Home home,
                                      std::function<void(std::string)> on_step);

/// The proxy's metrics, from its admin socket.
runtime::Task<Result<std::vector<Sample>>> fetch_metrics(runtime::Reactor& reactor, runtime::Home home);

/// State of the supervisor and of the two processes that it keeps, as `status -o json` shows it; "running"
/// false and nothing else but the state folder if there is none.
runtime::Task<base::Json> mesh_status(runtime::Reactor& reactor, runtime::Home home);

}  // namespace weft::cli
