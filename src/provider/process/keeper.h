// A process that does nothing but start the supervisor, wait for its end, and start it again if it was
// killed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/fd.h"
#include "runtime/home.h"
#include "runtime/process.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::provider::process {

/// The descriptor at which a supervisor that is kept finds the home's lock: it is held as long as either
/// lives, so that nobody else takes over between two lives of the supervisor.
inline constexpr int kept_lock = 3;
/// The descriptor at which a supervisor finds its keeper's pidfd, and a keeper that a supervisor starts that
/// supervisor's: what died before the other looked is seen too.
inline constexpr int kept_pidfd = 4;

/// How supervisor and keeper start each other: with the environment and output of this process, the home's
/// lock and `self`, its pidfd, which must be open until the start.
runtime::SpawnOptions partner(std::vector<std::string> argv, const runtime::HomeLock& lock,
                              const runtime::Fd& self);

struct KeeperOptions {
  runtime::Home home;
  /// argv of the supervisor, to which `--restarts=<n>` is added, and `--last-end=<words>` once it ended.
  std::vector<std::string> supervisor;
  /// The supervisor stops everything when this process ends, however it ends. Else it goes on without it.
  bool with_us = false;
  /// Keeps the supervisor that started this process and was itself started again so often.
  std::optional<int> adopted_restarts;
};

/// Runs until the supervisor ends by itself: 0 after an orderly end, 1 if it could not start. SIGTERM, SIGINT
/// and SIGHUP are passed on to it, each time. One that ends otherwise is started again, at once and then with
/// growing pauses while it keeps dying young: by this process's program, also if another one had gone on in
/// its place. A supervisor that is adopted ends this process itself before its orderly end, so that its end
/// always means that it was killed.
runtime::Task<int> keep(runtime::Reactor& reactor, KeeperOptions options);

}  // namespace weft::provider::process
