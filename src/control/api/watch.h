// A watch over HTTP: one JSON object a line for every change, as the Kubernetes API streams them.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "control/api/api.h"
#include "control/api/select.h"
#include "model/kinds.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "store/store.h"

namespace weft::control::api {

struct WatchRequest {
  /// From the registry, never null.
  const model::Kind* kind = nullptr;
  Selection selection;
  /// Changes after this version; nothing: all that is there comes first, as additions.
  std::optional<store::Version> since;
  /// Bookmarks tell a client from time to time which version it may resume from.
  bool bookmarks = false;
  /// Ends the objects that are there from the start with a bookmark that says so.
  bool marks_initial_events = false;
  /// Nothing: until the client goes.
  std::optional<base::Duration> limit;
};

/// Writes events until the limit has passed or history is lost, which is told by an ERROR event with a Status
/// of code 410.
runtime::Task<void> watch(runtime::Reactor& reactor, store::Store& store, WatchRequest request,
                          Output& output);

}  // namespace weft::control::api
