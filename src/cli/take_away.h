// Deletes resources so that what runs ends in order: `delete`, `down -f` and `apply --prune` alike.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "cli/api.h"
#include "cli/readiness.h"

namespace weft::cli {

struct TakeAway {
  /// How long their instances may take to end; nothing: as long as it takes.
  std::optional<TimeLimit> limit;
  /// What is gone already is no failure.
  bool ignore_missing = false;
  /// Called for each that was deleted.
  std::function<void(const Awaited&)> on_deleted;
};

/// Workloads first; once their instances have ended, all else, which what is under way till then still needs:
/// what it calls others by, what says how, and what it is given. What is in no namespace goes last. Within
/// that, in the order given, each once. Goes on past what cannot be deleted: that is told, but for the first,
/// which is the result.
runtime::Task<Result<void>> take_away(runtime::Reactor& reactor, Api& api, std::vector<Awaited> targets,
                                      TakeAway how);

}  // namespace weft::cli
