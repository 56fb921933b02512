// Getting a connection to an endpoint: within this process over memory, else over a socket; within the
// cluster's limits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "proxy/cluster.h"
#include "proxy/context.h"
#include "proxy/endpoint.h"
#include "proxy/failure.h"
#include "proxy/pool.h"
#include "proxy/worker.h"
#include "runtime/combine.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "snapshot/snapshot.h"

namespace weft::proxy {

/// A new stream to an endpoint; whether it stays within this process, and leads to an HTTP chain of it.
struct Opened {
  std::unique_ptr<runtime::Stream> stream;
  bool is_local = false;
  bool is_to_chain = false;
};

/// Connects to `endpoint` within `limit`, for a chain of `caller` in that direction; with TLS if it is spoken
/// to so. `preamble` is sent before anything else.
runtime::Task<std::expected<Opened, Failure>> open_stream(Worker& worker, LocalPtr<EndpointState> endpoint,
                                                          LocalPtr<Context> caller,
                                                          snapshot::Direction direction, Speaks what,
                                                          std::string preamble, base::Duration limit);

/// A stream of a session that is not at rest: of a new one, or the next to come back. Not waited for beyond
/// the cluster's limits, nor beyond `end`.
template <PoolSession Session>
[[gnu::noinline]] runtime::Task<std::expected<Lease<Session>, Failure>> open_session(
    Worker& worker, LocalPtr<ClusterState> cluster, LocalPtr<EndpointState> endpoint,
    LocalPtr<Context> caller, snapshot::Direction direction, base::MonoTime end) {
  auto& reactor = worker.reactor;
  auto& pool = Session::pool_of(*endpoint);
  const auto limit = [&] {
    return std::min<base::Duration>(cluster->connect_timeout(), end - reactor.coarse_now());
  };
  const auto give_up = reactor.coarse_now() + limit();
  while (!endpoint->has_room(cluster->max_connections()) || pool.has_coming()) {
    if (cluster->pending() >= cluster->max_pending()) co_return std::unexpected(Failure::too_many_pending);
    Pending<Session> pending(reactor, pool);
    if (!co_await runtime::within(reactor, give_up - reactor.coarse_now(), pending.wait())) {
      co_return std::unexpected(Failure::too_many_pending);
    }
    if (auto lease = pending.take()) co_return lease;
    if (endpoint->is_retired()) co_return std::unexpected(Failure::connect_failed);
  }
  const typename Pool<Session>::Opening opening(pool);
  ConnectionPlace place(endpoint);
  auto opened =
      co_await open_stream(worker, endpoint, std::move(caller), direction, Session::speaks, {}, limit());
  if (!opened) {
    place.failed();
    co_return std::unexpected(opened.error());
  }
  place.connected(opened->is_local);
  co_return pool.add(
      LocalPtr(new Session(reactor, std::move(place), std::move(opened->stream), opened->is_to_chain)));
}

}  // namespace weft::proxy
