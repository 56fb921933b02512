// Connections that are not, or not surely, HTTP from their first byte on: what they carry is found out from
// what comes first, and is passed on as bytes unless it is HTTP.
#pragma once

#include <memory>

#include "proxy/context.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::proxy {

class Worker;

/// Serves a connection by its listener's protocol: takes the PROXY header off where one is due, hands it to
/// Worker::serve_requests() if it turns out to be HTTP, else carries its bytes to its end.
runtime::Task<void> serve_opening(Worker& worker, LocalPtr<ListenerState> listener,
                                  std::unique_ptr<runtime::Stream> stream, Peer peer);

}  // namespace weft::proxy
