// The life of one request, in order. Included where it is compiled for a client's protocol.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "proxy/answer.h"
#include "proxy/exchange.h"
#include "proxy/h1_session.h"
#include "proxy/h2_client.h"
#include "proxy/h2_session.h"
#include "proxy/request.h"
#include "proxy/rewrite.h"
#include "proxy/serve.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "runtime/combine.h"

namespace weft::proxy {

// What is not inlined here is so because a coroutine that is becomes a part of its caller's frame, which a
// request holds for as long as it lives: the frames of what most requests never do, or do but once at their
// begin, have no place there.

/// Ends when the client has left.
template <ClientSide Client>
runtime::Task<void> until_gone(Client& client) {
  while (!client.has_ended()) co_await runtime::Wait(client.readable());
}

/// Ends when the session has said what it takes, or should have.
template <PoolSession Session>
[[gnu::noinline]] runtime::Task<void> settled(Request& request, Session& session) {
  co_await runtime::within(request.worker.reactor, request.cluster->connect_timeout(), session.settled());
}

/// A stream of a session that is not at rest, which the client may not wait for.
template <PoolSession Session, ClientSide Client>
[[gnu::noinline]] runtime::Task<std::expected<Lease<Session>, Failure>> open(Request& request, Client& client,
                                                                             EndpointState& endpoint) {
  auto opened = co_await runtime::unless(
      until_gone(client),
      open_session<Session>(request.worker, LocalPtr(request.cluster), LocalPtr(&endpoint),
                            request.client.listener->context, request.direction(), request.end()));
  if (!opened) co_return std::unexpected(Failure::downstream_closed);
  if (!*opened && request.is_out_of_time()) co_return std::unexpected(Failure::response_timeout);
  co_return std::move(*opened);
}

/// One attempt: an endpoint is picked, a stream taken, the request exchanged.
template <PoolSession Session, ClientSide Client>
runtime::Task<Failure> attempt(Request& request, Client& client) {
  if (client.has_ended()) co_return Failure::downstream_closed;
  if (!request.attempts().empty() && request.is_out_of_time()) co_return request.failure;
  // After a connection at rest that turned out to be dead, its endpoint may be asked again, by a new
  // connection.
  const bool was_reused = std::exchange(request.is_on_used_connection, false);
  auto* endpoint = request.cluster->pick(request.attempts().tried(), was_reused);
  if (endpoint == nullptr) {
    co_return request.failure == Failure::none ? Failure::no_healthy_endpoint : request.failure;
  }
  request.begin_attempt(*endpoint);
  Lease<Session> lease;
  // What may be sent again needs no look at the connection.
  if (!was_reused) lease = Session::pool_of(*endpoint).take(!request.is_safe());
  if (!lease) {
    auto opened = co_await open<Session>(request, client, *endpoint);
    if (!opened) co_return opened.error();
    lease = std::move(*opened);
  }
  if constexpr (requires { lease.session().settled(); }) {
    // Whether it takes another protocol it says with its settings.
    if (!request.upgrade.empty()) {
      co_await settled(request, lease.session());
    }
  }
  request.is_on_used_connection = lease.session().is_reused();
  request.tell_risk(lease.session().is_to_chain);
  co_return co_await exchange(request, client, std::move(lease));
}

/// The same, in a frame of its own.
template <PoolSession Session, ClientSide Client>
[[gnu::noinline]] runtime::Task<Failure> attempt_apart(Request& request, Client& client) {
  return attempt<Session>(request, client);
}

/// The pause before another attempt, within the request's time; the client may leave in it.
template <ClientSide Client>
[[gnu::noinline]] runtime::Task<void> pause(Request& request, Client& client) {
  base::Duration longest = std::chrono::milliseconds(decide::pause_before_ms(request.attempts().count()));
  if (const auto left = request.time_left(); left > base::Duration::zero()) longest = std::min(longest, left);
  co_await runtime::within(request.worker.reactor,
                           base::Duration(request.worker.random.below(longest.count() + 1)),
                           until_gone(client));
}

/// Answers in the service's place. False if the client did not get it.
template <ClientSide Client>
[[gnu::noinline]] runtime::Task<bool> send(Request& request, Client& client, Answer answer) {
  // What has arrived of the body is passed over, so that another request can follow it.
  while (!client.is_body_done() && client.has_more()) {
    const auto piece = client.try_body();
    if (!piece || !*piece) break;
    request.bytes_received += (*piece)->size();
  }
  if (!client.is_body_done()) client.close_after();
  const auto method = request.head().method;
  answer.head.headers.add_own(message::FieldId::date,
                              base::format_http_date(request.worker.reactor.coarse_wall()));
  const std::string_view body = method == message::Method::head ? std::string_view() : answer.body;
  auto& patch = client.response_patch();
  patch.clear();
  client.put_head(answer.head, content_of(answer, method), patch);
  const auto written = co_await client.write(body, true, nullptr);
  if (written) request.bytes_sent += body.size();
  co_return written.has_value();
}

/// Answers as the route says.
template <ClientSide Client>
[[gnu::noinline]] runtime::Task<bool> answer(Request& request, Client& client,
                                             const decide::Decision& decision) {
  co_return co_await send(request, client, answer_of_route(request, decision));
}

/// Answers with the failure. False if the client did not get it.
template <ClientSide Client>
[[gnu::noinline]] runtime::Task<bool> refuse(Request& request, Client& client, Failure failure) {
  request.refuse(failure);
  if (failure == Failure::downstream_closed || failure == Failure::downstream_timeout) co_return false;
  ++request.worker.shard.proxy.refused;
  co_return co_await send(request, client, answer_of_failure(request));
}

/// Whether its cluster is spoken to in HTTP/2.
inline bool speaks_http2(const Request& request) {
  const auto protocol = request.cluster->protocol();
  return protocol == snapshot::ClusterProtocol::http2 || (protocol == snapshot::ClusterProtocol::automatic &&
                                                          request.head().version == message::Version::http_2);
}

/// Ends a call of gRPC whose answer has begun and cannot go on: its status says so. False if the client did
/// not get it.
template <ClientSide Client>
[[gnu::noinline]] runtime::Task<bool> end_call(Request& request, Client& client) {
  request.note_call_end(request.failure);
  if (is_of_client(request.failure)) co_return false;
  message::Headers trailers;
  http::grpc::write_status(trailers, status_of_failure(request));
  const auto sent = co_await client.write({}, true, &trailers);
  co_return sent.has_value();
}

template <PoolSession Session, ClientSide Client>
runtime::Task<bool> serve_request(Client& client) {
  Request request(client);
  const auto decision = request.decide();
  patch_request(request);
  if (request.is_connect()) client.close_after();  // what follows may be meant for the tunnel
  if (!is_method_allowed(request, TunnelSide<Client>)) {
    client.close_after();
    co_return co_await refuse(request, client, Failure::method_not_allowed);
  }
  if (request.has_bad_deadline()) {
    request.reason = "grpc-timeout is malformed";
    co_return co_await refuse(request, client, Failure::malformed_request);
  }
  if (!decision) co_return co_await refuse(request, client, failure_of(decision.error()));
  if (!request.take(*decision)) {
    co_return co_await answer(request, client, *decision);
  }
  if (!request.forward.action->host.empty()) patch_host(request);
  if (!request.forward.action->headers.empty()) patch_headers(request);

  auto retry = decide::Retry::at_once;
  while (retry != decide::Retry::no) {
    if (speaks_http2(request)) {
      request.failure = co_await attempt_apart<H2Session>(request, client);
    } else if constexpr (std::same_as<Client, H2Request>) {
      request.failure = co_await attempt_apart<Session>(request, client);
    } else {
      request.failure = co_await attempt<Session>(request, client);
    }
    retry = request.may_retry(request.failure);
    if (retry != decide::Retry::no) request.note_retry();
    if (retry == decide::Retry::later) co_await pause(request, client);
  }
  if (request.failure == Failure::none) co_return true;
  if (request.has_begun_response) co_return request.is_grpc() && co_await end_call(request, client);
  co_return co_await refuse(request, client, request.failure);
}

template <ClientSide Client>
runtime::Task<bool> refuse_malformed(Client& client, message::Refusal refusal) {
  Request request(client);
  ++request.worker.shard.proxy.protocol_errors;
  request.reason = message::describe(refusal);
  request.status = message::status_of(refusal);
  client.close_after();
  co_return co_await refuse(request, client, Failure::malformed_request);
}

}  // namespace weft::proxy
