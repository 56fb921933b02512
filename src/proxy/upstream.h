// Getting a connection to an endpoint: within this process over memory, else over a socket; within the
// cluster's limits.
#pragma once

#include <expected>
#include <memory>

#include "base/clock.h"
#include "proxy/cluster.h"
#include "proxy/context.h"
#include "proxy/endpoint.h"
#include "proxy/failure.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "snapshot/snapshot.h"

namespace weft::proxy {

class Worker;

/// A new stream to an endpoint; whether it stays within this process.
struct Opened {
  std::unique_ptr<runtime::Stream> stream;
  bool is_local = false;
};

/// Connects to `endpoint` within `limit`, for a chain of `caller` in that direction.
runtime::Task<std::expected<Opened, Failure>> open_stream(Worker& worker, LocalPtr<EndpointState> endpoint,
                                                          LocalPtr<Context> caller,
                                                          snapshot::Direction direction,
                                                          base::Duration limit);

/// A pooled connection that is not at rest: a new one, or the next to become free. Not waited for beyond the
/// cluster's limits, nor beyond `end`.
runtime::Task<std::expected<Lease, Failure>> open_connection(Worker& worker, LocalPtr<ClusterState> cluster,
                                                             LocalPtr<EndpointState> endpoint,
                                                             LocalPtr<Context> caller,
                                                             snapshot::Direction direction,
                                                             base::MonoTime end);

}  // namespace weft::proxy
