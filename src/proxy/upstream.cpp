#include "proxy/upstream.h"

#include <algorithm>
#include <cerrno>

#include "proxy/worker.h"
#include "runtime/combine.h"
#include "runtime/stream.h"

namespace weft::proxy {
namespace {

/// How long connecting waits for others to give descriptors back.
constexpr auto connect_pause = std::chrono::milliseconds(10);

Failure failure_of_connect(runtime::IoError error) {
  switch (error.code) {
    case ETIMEDOUT: return Failure::connect_timeout;
    case ECONNREFUSED: return Failure::connect_refused;
    default: return Failure::connect_failed;
  }
}

/// The in-memory transport to an inbound listener of this process.
Opened open_local(Worker& worker, ListenerState& inbound, EndpointState& endpoint, LocalPtr<Context> caller,
                  Speaks what) {
  if (endpoint.workload != inbound.context->id.workload) {
    endpoint.workload = inbound.context->id.workload;
    endpoint.series = nullptr;
  }
  auto [near, far] = runtime::memory_pair(worker.reactor);
  const bool is_http = what == Speaks::http;
  worker.serve(LocalPtr(&inbound), std::move(far), Peer{std::move(caller), is_http, {}});
  return {std::move(near), true, is_http && takes_http(inbound.config->protocol)};
}

}  // namespace

runtime::Task<std::expected<Opened, Failure>> open_stream(Worker& worker, LocalPtr<EndpointState> endpoint,
                                                          LocalPtr<Context> caller,
                                                          snapshot::Direction direction, Speaks what,
                                                          base::Duration limit) {
  // An inbound chain's endpoint is the application itself, never another listener.
  if (direction != snapshot::Direction::inbound) {
    if (auto* inbound = worker.inbound_at(endpoint->address())) {
      co_return open_local(worker, *inbound, *endpoint, std::move(caller), what);
    }
  }
  const auto end = worker.reactor.coarse_now() + limit;
  while (!worker.may_connect()) {
    if (worker.reactor.coarse_now() >= end) co_return std::unexpected(Failure::too_many_pending);
    co_await worker.reactor.sleep(connect_pause);
  }
  auto stream =
      co_await worker.connect()(worker.reactor, endpoint->address(), end - worker.reactor.coarse_now());
  if (stream) co_return Opened{std::move(*stream)};
  co_return std::unexpected(failure_of_connect(stream.error()));
}

}  // namespace weft::proxy
