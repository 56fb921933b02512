// The supervisor's parent: a process that does nothing but start it, wait for its end, and start it again if
// it was killed.
#pragma once

#include <string>
#include <vector>

#include "runtime/home.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::provider::process {

/// The descriptor at which a supervisor that is kept finds the home's lock: it is held as long as either
/// lives, so that nobody else takes over between two lives of the supervisor.
inline constexpr int kept_lock = 3;

struct KeeperOptions {
  runtime::Home home;
  /// argv of the supervisor, to which `--restarts=<n>` is added, and `--last-end=<words>` once it ended.
  std::vector<std::string> supervisor;
  /// The supervisor stops everything when this process ends, however it ends. Else it goes on without it.
  bool with_us = false;
};

/// Runs until the supervisor ends by itself: 0 after an orderly end, 1 if it could not start. SIGTERM, SIGINT
/// and SIGHUP are passed on to it, each time. One that ends otherwise is started again, at once and then with
/// growing pauses while it keeps dying young.
runtime::Task<int> keep(runtime::Reactor& reactor, KeeperOptions options);

}  // namespace weft::provider::process
