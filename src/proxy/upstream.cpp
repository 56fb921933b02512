#include "proxy/upstream.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

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
  const bool is_http = what != Speaks::bytes;
  worker.serve(LocalPtr(&inbound), std::move(far), Peer{std::move(caller), is_http, false, {}});
  return {std::move(near), true, is_http && takes_http(inbound.config->protocol)};
}

std::vector<std::string> protocols_of(Speaks what) {
  switch (what) {
    case Speaks::http1: return {"http/1.1"};
    case Speaks::http2: return {"h2"};
    case Speaks::bytes: return {};
  }
  return {};
}

/// Speaks TLS on `transport`, which is connected to `endpoint`.
runtime::Task<std::expected<Opened, Failure>> begin_tls(Worker& worker, LocalPtr<EndpointState> endpoint,
                                                        std::unique_ptr<runtime::Stream> transport,
                                                        Speaks what, base::Duration limit) {
  if (!endpoint->tls->context) co_return std::unexpected(Failure::tls_failed);
  auto connected = co_await tls::connect(worker.reactor, endpoint->tls->context, std::move(transport),
                                         protocols_of(what), endpoint->tls->resumption, limit);
  // RFC 9113, 3.2: who does not agree on it does not speak it.
  if (connected && what == Speaks::http2 && (*connected)->protocol() != "h2") {
    connected = base::fail(tls::FaultKind::protocol, "the service did not agree on HTTP/2 (ALPN h2)");
  }
  count_handshake(worker.shard.proxy.upstream_tls, connected);
  const auto note = [endpoint](const tls::Fault& fault) { endpoint->tls->fault = "TLS: " + fault.detail; };
  if (connected) {
    (*connected)->when_refused([&worker, note](const tls::Fault& fault) {
      note(fault);
      count_handshake(worker.shard.proxy.upstream_tls, std::unexpected(fault));
    });
    co_return Opened{std::move(*connected)};
  }
  note(connected.error());
  co_return std::unexpected(connected.error().kind == tls::FaultKind::timeout ? Failure::connect_timeout
                                                                              : Failure::tls_failed);
}

/// Sends `preamble`, if it is not empty. That it is taken shows by what follows.
runtime::Task<void> send_before(runtime::Stream& stream, std::string preamble) {
  if (!preamble.empty()) (void)co_await runtime::write_all(stream, std::move(preamble));
}

}  // namespace

runtime::Task<std::expected<Opened, Failure>> open_stream(Worker& worker, LocalPtr<EndpointState> endpoint,
                                                          LocalPtr<Context> caller,
                                                          snapshot::Direction direction, Speaks what,
                                                          std::string preamble, base::Duration limit) {
  // An inbound chain's endpoint is the application itself, never another listener.
  if (direction != snapshot::Direction::inbound) {
    if (auto* inbound = worker.inbound_at(endpoint->address())) {
      auto local = open_local(worker, *inbound, *endpoint, std::move(caller), what);
      co_await send_before(*local.stream, std::move(preamble));
      co_return local;
    }
  }
  const auto end = worker.reactor.coarse_now() + limit;
  while (!worker.may_connect()) {
    if (worker.reactor.coarse_now() >= end) co_return std::unexpected(Failure::too_many_pending);
    co_await worker.reactor.sleep(connect_pause);
  }
  auto stream =
      co_await worker.connect()(worker.reactor, endpoint->address(), end - worker.reactor.coarse_now());
  if (!stream) co_return std::unexpected(failure_of_connect(stream.error()));
  co_await send_before(**stream, std::move(preamble));
  if (!endpoint->tls) co_return Opened{std::move(*stream)};
  // Never none, which would be no limit.
  const auto left = std::max<base::Duration>(end - worker.reactor.coarse_now(), std::chrono::milliseconds(1));
  co_return co_await begin_tls(worker, std::move(endpoint), std::move(*stream), what, left);
}

}  // namespace weft::proxy
