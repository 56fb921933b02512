// The control plane's process: store, reconcile, REST and xDS on one reactor, attached to the supervisor.
#pragma once

#include "runtime/home.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::control {

struct Options {
  runtime::Home home;
};

/// Runs the control plane of `options.home` until SIGTERM, SIGINT or POST /weft/v1/shutdown has stopped all
/// instances in reverse order of dependency (what is stored stays as it is), or until SIGHUP, after which
/// they go on for another one; not once it stops them, of which it tells the supervisor first. Gives the
/// process's exit code: 0 after such a stop, 3 after SIGHUP, 1 if it could not begin (another control plane,
/// a broken store, no supervisor) or lost its supervisor; the reason is logged. Call it on the main thread
/// before there are others: it blocks the signals.
runtime::Task<int> serve(runtime::Reactor& reactor, Options options);

}  // namespace weft::control
