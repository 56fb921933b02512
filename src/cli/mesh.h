// The mesh as a whole: its processes, what it is doing, and its end.
#pragma once

#include <chrono>
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

/// An orderly stop may take as long as the instances' own grace (30 s by default), one after the other.
inline constexpr auto stop_limit = std::chrono::seconds(100);

/// Stops all instances in reverse order of dependency, then the mesh's own processes; returns when they are
/// gone. What of them is left at the limit is killed; a supervisor that does not answer by then is the
/// failure. `on_step` gets a line about each step. Without a running mesh it does nothing.
runtime::Task<Result<void>> stop_mesh(runtime::Reactor& reactor, runtime::Home home, base::Duration limit,
                                      std::function<void(std::string)> on_step);

/// Kills all instances and the mesh's own processes; returns when they are gone.
runtime::Task<Result<void>> kill_mesh(runtime::Reactor& reactor, runtime::Home home);

/// The proxy's metrics, from its admin socket.
runtime::Task<Result<std::vector<Sample>>> fetch_metrics(runtime::Reactor& reactor, runtime::Home home);

/// State of the supervisor and of the two processes that it keeps, as `status -o json` shows it; "running"
/// false and nothing else but the state folder if there is none, "answers" false if it is silent. Each of
/// them is given `limit` to answer.
runtime::Task<base::Json> mesh_status(runtime::Reactor& reactor, runtime::Home home, base::Duration limit);

}  // namespace weft::cli
