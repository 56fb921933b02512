#include "proxy/upstream.h"

#include <algorithm>
#include <cerrno>

#include "proxy/worker.h"
#include "runtime/combine.h"
#include "runtime/stream.h"

namespace weft::proxy {
namespace {

/// A connection that is being made: counted until it is there or given up.
class Connecting {
 public:
  explicit Connecting(EndpointState& endpoint) : endpoint_(&endpoint) { endpoint.connecting(); }
  ~Connecting() {
    if (endpoint_ != nullptr) endpoint_->connect_failed();
  }
  Connecting(const Connecting&) = delete;
  Connecting& operator=(const Connecting&) = delete;
  /// From here on the connection itself is counted.
  void succeeded() { endpoint_ = nullptr; }

 private:
  EndpointState* endpoint_;
};

/// The in-memory transport to an inbound listener of this process.
std::unique_ptr<runtime::Stream> open_local(Worker& worker, ListenerState& inbound, EndpointState& endpoint,
                                            const snapshot::ContextId& caller) {
  if (endpoint.workload != inbound.context->id.workload) {
    endpoint.workload = inbound.context->id.workload;
    endpoint.series = nullptr;
  }
  auto [near, far] = runtime::memory_pair(worker.reactor);
  worker.serve(LocalPtr(&inbound), std::move(far), Peer{caller.workload, caller.ns, true, {}});
  return std::move(near);
}

}  // namespace

runtime::Task<std::expected<Opened, Failure>> open_stream(Worker& worker, LocalPtr<ClusterState> cluster,
                                                          LocalPtr<EndpointState> endpoint,
                                                          snapshot::ContextId caller,
                                                          snapshot::Direction direction) {
  // An inbound chain's endpoint is the application itself, never another listener.
  if (direction != snapshot::Direction::inbound) {
    if (auto* inbound = worker.inbound_at(endpoint->address())) {
      co_return Opened{open_local(worker, *inbound, *endpoint, caller), true};
    }
  }
  auto stream = co_await worker.connect()(worker.reactor, endpoint->address(), cluster->connect_timeout());
  if (stream) co_return Opened{std::move(*stream), false};
  co_return std::unexpected(stream.error().code == ETIMEDOUT ? Failure::connect_timeout
                                                             : Failure::connect_failed);
}

runtime::Task<std::expected<Lease, Failure>> open_connection(Worker& worker, LocalPtr<ClusterState> cluster,
                                                             LocalPtr<EndpointState> endpoint,
                                                             snapshot::ContextId caller,
                                                             snapshot::Direction direction) {
  while (!endpoint->has_room(cluster->max_connections())) {
    if (cluster->pending() >= cluster->max_pending()) co_return std::unexpected(Failure::too_many_pending);
    PendingRequest pending(worker.reactor, endpoint);
    if (!co_await runtime::within(worker.reactor, cluster->connect_timeout(), pending.wait())) {
      co_return std::unexpected(Failure::too_many_pending);
    }
    if (auto lease = pending.take()) co_return lease;
    if (endpoint->is_retired()) co_return std::unexpected(Failure::connect_failed);
  }
  Connecting connecting(*endpoint);
  auto opened = co_await open_stream(worker, cluster, endpoint, std::move(caller), direction);
  if (!opened) co_return std::unexpected(opened.error());
  connecting.succeeded();
  co_return Lease(std::make_unique<UpstreamConnection>(worker.reactor, endpoint, std::move(opened->stream),
                                                       opened->is_local));
}

}  // namespace weft::proxy
