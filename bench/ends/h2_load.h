// The clients of the benchmarks of HTTP/2 and gRPC: closed loops and an open loop over streams, and streams
// and connections that rest.
#pragma once

#include <memory>
#include <vector>

#include "ends/h2_client.h"
#include "ends/load.h"

namespace weft::bench {

/// As Connections: they stay from one command to the next.
using H2Clients = std::vector<std::unique_ptr<H2Client>>;

/// Calls on `load.connections` connections: `load.streams` at a time on each, the next when one has been
/// answered; or at a constant rate, in turn on each, if `load.requests_per_second` is given.
/// `load.body_bytes` of an answer are expected.
runtime::Task<void> h2_loop(runtime::Reactor& reactor, Load load, Call call, H2Clients& kept, Result& result);
/// Fills up to so many connections, and opens `load.streams` more streams on each, all of which must have
/// reached a mute backend within `load.duration`; with none it waits for one answer on each new connection.
runtime::Task<void> h2_rest(runtime::Reactor& reactor, Load load, H2Clients& kept, Result& result);

}  // namespace weft::bench
