// The exchange between any two sides, in order. Included where it is compiled for a pair of protocols.
#pragma once

#include <cerrno>
#include <optional>

#include "http/read_error.h"
#include "message/syntax.h"
#include "message/validate.h"
#include "proxy/exchange.h"
#include "proxy/rewrite.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"
#include "runtime/combine.h"
#include "runtime/running.h"

namespace weft::proxy {

/// Gives an endpoint's side up from the loop: whoever asks for it may be running below the one that waits for
/// it.
template <UpstreamSide Upstream>
class Abort final : private runtime::Waiter {
 public:
  Abort(runtime::Reactor& reactor, Upstream& upstream) : upstream_(upstream), soon_(reactor, *this) {}
  void set() { soon_.set(); }

 private:
  void wake() override { upstream_.reset(); }
  Upstream& upstream_;
  runtime::Soon soon_;
};

/// Why nothing can be had of the client, or nothing be given to it.
inline Failure failure_of_client(runtime::IoError error) {
  return error.code == ETIMEDOUT ? Failure::downstream_timeout : Failure::downstream_closed;
}

template <ClientSide Client>
Failure failure_of_client(Request& request, Client& client, const http::ReadError& error) {
  client.close_after();
  if (error.kind == http::ReadError::Kind::refused) {
    request.reason = message::describe(error.refusal);
    if (!request.has_begun_response) request.status = message::status_of(error.refusal);
    return Failure::malformed_request;
  }
  return failure_of_client(error.io);
}

/// Those of a message whose body has ended; null if it has none, or not yet.
template <Side S>
const message::Headers* trailers_of(const S& side) {
  return side.is_body_done() && !side.trailers().empty() ? &side.trailers() : nullptr;
}

/// What goes on beside the wait for a response: the rest of the request's body is sent, and the client is
/// watched. Either may find that the client is gone and gives the endpoint's side up then.
template <ClientSide Client, UpstreamSide Upstream>
class Beside final : private runtime::Waiter {
 public:
  Beside(Request& request, Client& client, Upstream& upstream)
      : request_(request), client_(client), upstream_(upstream), abort_(request.worker.reactor, upstream) {}
  ~Beside() { client_.readable().cancel(*this); }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

  /// Finds out when the client has left, without reading: what it has pipelined waits where it is.
  void watch() {
    if (client_.has_ended()) return fail(Failure::downstream_closed);
    client_.readable().wait(*this);
  }
  /// Sends what of the body follows the first piece.
  void upload() {
    is_uploading_ = true;
    running_ = runtime::Running(send_rest(), ended_);
    running_.start();
  }

  /// The response follows: what pauses from here on is the dialogue of both, which the route limits.
  void begin_response() {
    has_response_ = true;
    client_.read_deadline().clear();
  }

  /// What made an exchange end by `failure`: the client, if it is to blame.
  Failure cause_of(Failure failure) const {
    return failure_ == Failure::none || is_of_client(failure) ? failure : failure_;
  }
  bool is_uploading() const { return is_uploading_; }

 private:
  /// A task's end is of no interest: what it found is in the members.
  struct Ended final : runtime::Waiter {
    void wake() override {}
  };

  void wake() override { watch(); }
  void fail(Failure failure) {
    failure_ = failure;
    abort_.set();
  }
  runtime::Task<void> send_rest();

  Request& request_;
  Client& client_;
  Upstream& upstream_;
  Abort<Upstream> abort_;
  Ended ended_;
  runtime::Running running_;
  Failure failure_ = Failure::none;
  bool is_uploading_ = false;
  bool has_response_ = false;
};

template <ClientSide Client, UpstreamSide Upstream>
runtime::Task<void> Beside<Client, Upstream>::send_rest() {
  request_.is_body_gone = true;
  while (is_uploading_) {
    if (!has_response_ && !request_.awaits_response()) {
      client_.read_deadline().expires_after(request_.worker.limits().body_timeout);
    }
    auto piece = client_.try_body();
    while (!piece) {
      co_await runtime::Wait(client_.readable());
      piece = client_.try_body();
    }
    client_.read_deadline().clear();
    if (!*piece) {
      fail(failure_of_client(request_, client_, piece->error()));
      co_return;
    }
    request_.bytes_received += (*piece)->size();
    const bool last = client_.is_body_done();
    request_.await_response(last);
    watch();
    const auto sent = co_await upstream_.write(**piece, last, trailers_of(client_));
    // If the endpoint takes no more, its response says why, or its end does.
    if (!sent) co_return;
    // It may have waited for this piece, with its response or within that. Within it nobody may wait for it
    // now.
    if (!has_response_) {
      upstream_.deadline().expires_after(request_.time_left());
    } else if (upstream_.deadline().has_time()) {
      upstream_.deadline().expires_after(request_.pause_limit());
    }
    is_uploading_ = !last;
  }
}

/// Why the response cannot be read on.
inline Failure failure_of_response(Request& request, const http::ReadError& error) {
  if (error.kind == http::ReadError::Kind::refused) {
    request.reason = message::describe(error.refusal);
    return Failure::malformed_response;
  }
  return error.io.code == ETIMEDOUT ? Failure::response_timeout : Failure::cut_in_response;
}

/// What it means that the endpoint's side ended before the response's head. `has_lost_error`: a write may
/// have failed by the reset, which no read tells then.
template <ClientSide Client, UpstreamSide Upstream>
runtime::Task<Failure> failure_before_response(Request& request, Client& client, Upstream& upstream,
                                               http::ReadError error, bool has_lost_error) {
  // Refused by TLS (tls::Connection::when_refused).
  if (error.kind == http::ReadError::Kind::io && error.io.code == EKEYREJECTED) {
    request.is_on_used_connection = false;  // another one to this endpoint meets the same
    co_return Failure::tls_failed;
  }
  const auto failure = failure_of_response(request, error);
  if (failure != Failure::cut_in_response) co_return failure;
  if (error.kind == http::ReadError::Kind::unprocessed) {
    request.is_on_used_connection = true;  // the same one may take it later (RFC 9113, 8.7)
    co_return Failure::closed_at_rest;
  }
  const auto taken = co_await upstream.taken(error, has_lost_error);
  if (taken == Taken::nothing) co_return Failure::closed_at_rest;
  // One that is being stopped ends whatever it is asked, and one that serves many may have died of any.
  const auto& endpoint = request.attempts().endpoint();
  const bool may_be_the_cause =
      taken == Taken::all && client.is_body_done() && endpoint.is_in_service() && !endpoint.is_busy();
  co_return may_be_the_cause ? Failure::closed_unanswered : Failure::reset_before_response;
}

/// Takes what of the body is there already, so that it leaves with the head and is at hand for another
/// attempt.
template <ClientSide Client>
Failure take_first_piece(Request& request, Client& client) {
  const bool was_taken = request.first_piece.data() != nullptr;
  if (was_taken || client.is_body_done() || !client.has_more()) return Failure::none;
  const auto piece = client.try_body();
  if (!piece) return Failure::none;
  if (!*piece) return failure_of_client(request, client, piece->error());
  request.first_piece = **piece;
  request.bytes_received += request.first_piece.size();
  request.await_response(client.is_body_done());
  return Failure::none;
}

/// Sends the head and the first piece of the body. The rest is left to Beside.
template <ClientSide Client, UpstreamSide Upstream>
auto send_request(Request& request, Client& client, Upstream& upstream) {
  upstream.put_head(request.head(), client.content(), request.patch());
  return upstream.write(request.first_piece, client.is_body_done(), trailers_of(client));
}

/// Passes an interim response on; none to a client that knows no such thing.
template <ClientSide Client, UpstreamSide Upstream>
runtime::Task<Failure> send_interim(Request& request, Client& client, Upstream& upstream) {
  if (++request.interim_responses > message::max_interim_responses) {
    request.reason = "the service sends interim responses without end";
    client.close_after();  // who has read so many expects more of them
    co_return Failure::malformed_response;
  }
  if (!client.takes_interim()) co_return Failure::none;
  const auto& interim = upstream.head();
  patch_response(request, interim, client.response_patch());
  client.put_bare_head(interim, client.response_patch());
  const auto before = request.worker.reactor.coarse_now();
  upstream.deadline().clear();
  const auto sent = co_await client.flush();
  if (!sent) co_return failure_of_client(sent.error());
  // What the client took its time for is not the service's.
  request.prolong_wait(request.worker.reactor.coarse_now() - before);
  upstream.deadline().expires_after(request.time_left());
  if (interim.status == 100 && !client.is_body_done() && request.awaits_response()) {
    // The service has asked for the body: it is the client's turn.
    request.await_response(false);
    upstream.deadline().clear();
    client.read_deadline().expires_after(request.worker.limits().body_timeout);
  }
  co_return Failure::none;
}

/// Whether bytes both ways follow the head: after 101, or a 2xx to CONNECT (RFC 9110, 9.3.6).
inline bool opens_tunnel(const Request& request, const message::ResponseHead& response) {
  return response.status == 101 || (request.is_connect() && response.status / 100 == 2);
}

/// What a response that broke off means. Of one that has begun the client sees no end; in place of one whose
/// head still waited it is told.
template <ClientSide Client>
Failure broken_off(Request& request, Client& client, const http::ReadError& error) {
  if (!request.has_begun_response) client.take_back();
  const auto failure = failure_of_response(request, error);
  if (failure == Failure::response_timeout) {
    request.reason = request.is_past_deadline() ? "the call's own deadline passed within the service's answer"
                                                : "the service paused too long within its answer";
  }
  return failure;
}

/// Whether its body is a stream of events, which may last as long as both sides like (HTML, 9.2.5), and comes
/// by a listener that may drain: an inbound one.
inline bool is_stream_that_may_drain(const Request& request, const message::ResponseHead& response) {
  if (request.direction() != snapshot::Direction::inbound) return false;
  constexpr std::string_view stream = "text/event-stream";
  const auto type = response.headers.find(message::FieldId::content_type);
  return type && type->size() >= stream.size() &&
         message::equals_ignore_case(type->substr(0, stream.size()), stream);
}

/// Notes that a connection carries a stream, for as long as this lives.
class StreamNote {
 public:
  /// Null: it does not.
  explicit StreamNote(ClientConnection* connection) : connection_(connection) {
    if (connection_ != nullptr) connection_->begin_stream();
  }
  StreamNote(const StreamNote&) = delete;
  StreamNote& operator=(const StreamNote&) = delete;
  ~StreamNote() {
    if (connection_ != nullptr) connection_->end_stream();
  }

 private:
  ClientConnection* connection_;
};

/// Notes how a call of gRPC has ended by what the service says, or has left unsaid.
template <UpstreamSide Upstream>
void note_status(Request& request, const Upstream& upstream) {
  auto code = http::grpc::read_code(upstream.trailers());
  if (!code) code = http::grpc::read_code(upstream.head().headers);
  request.grpc_status = code.value_or(http::grpc::status_of_http(upstream.head().status).code);
}

/// Streams the response. Its head waits for the first piece of the body where that is there already.
template <ClientSide Client, UpstreamSide Upstream>
runtime::Task<Failure> send_response(Request& request, Client& client, Upstream& upstream) {
  const StreamNote note(is_stream_that_may_drain(request, upstream.head()) ? &client.connection() : nullptr);
  const auto& response = upstream.head();
  patch_response(request, response, client.response_patch());
  client.put_head(response, upstream.content(), client.response_patch());
  upstream.deadline().clear();
  if (!upstream.is_body_done() && !upstream.has_more()) {
    request.status = response.status;
    request.has_begun_response = true;
    const auto sent = co_await client.write({}, false, nullptr);
    if (!sent) co_return failure_of_client(sent.error());
  }
  bool last = false;
  while (!last) {
    auto piece = upstream.try_body();
    while (!piece) {
      upstream.deadline().expires_after(request.pause_limit());
      co_await runtime::Wait(upstream.readable());
      piece = upstream.try_body();
    }
    upstream.deadline().clear();
    if (!*piece) co_return broken_off(request, client, piece->error());
    request.status = response.status;
    request.has_begun_response = true;
    last = upstream.is_body_done();
    if (last && request.is_grpc()) note_status(request, upstream);
    const auto sent = co_await client.write(**piece, last, trailers_of(upstream));
    if (!sent) co_return failure_of_client(sent.error());
    request.bytes_sent += (*piece)->size();
  }
  co_return Failure::none;
}

/// What the inbound chain of this process says of its failure; none if the response is the application's.
inline Mark mark_in(bool is_of_chain, const message::ResponseHead& head) {
  if (!is_of_chain) return {};
  const auto text = head.headers.find(message::FieldId::x_weft_refused);
  const auto mark = text ? read_mark(*text) : Mark{};
  return is_of_client(mark.failure) ? Mark{} : mark;
}

/// A tunnel may rest as long as its route allows a pause, and not less than the proxy's own limit, for what
/// is quiet between two requests of HTTP is often so in a tunnel.
inline base::Duration tunnel_idle_limit(const Request& request) {
  const auto pause = request.pause_limit();
  if (pause == base::Duration::zero()) return pause;
  return std::max<base::Duration>(pause, request.worker.limits().tunnel_idle_timeout);
}

/// Bytes both ways, for as long as they like.
template <class Client, class Upstream>
runtime::Task<Failure> run_tunnel(Request& request, Client& client, Upstream& upstream) {
  const auto& response = upstream.head();
  request.status = response.status;
  client.close_after();
  const StreamNote note(&client.connection());
  patch_response(request, response, client.response_patch());
  client.put_bare_head(response, client.response_patch());
  request.has_begun_response = true;
  if (const auto sent = co_await client.flush(); !sent) co_return failure_of_client(sent.error());
  upstream.deadline().clear();
  const auto limit = tunnel_idle_limit(request);
  request.let_snapshot_go();
  TunnelBytes bytes;
  co_await tunnel(request.worker, client.stream(), upstream.stream(), client.buffered(), upstream.buffered(),
                  limit, bytes);
  request.bytes_received += bytes.to_upstream;
  request.bytes_sent += bytes.to_client;
  co_return Failure::none;
}

template <ClientSide Client, PoolSession Session>
runtime::Task<Failure> exchange(Request& request, Client& client, Lease<Session> lease) {
  auto& upstream = *lease;
  using Upstream = std::remove_reference_t<decltype(upstream)>;
  if (const auto failure = take_first_piece(request, client); failure != Failure::none) co_return failure;
  upstream.deadline().expires_after(request.time_left());
  upstream.limit_write_pauses(request.pause_limit());
  std::optional<Beside<Client, Upstream>> beside(std::in_place, request, client, upstream);
  beside->watch();
  const auto sent = co_await send_request(request, client, upstream);
  if (!sent && sent.error().code == ETIMEDOUT) co_return Failure::response_timeout;
  // One that closes while it is written to may have answered before: that is read all the same. Then nobody
  // reads the rest of the body, so that nothing can follow it.
  if (!client.is_body_done()) {
    if (sent) {
      beside->upload();
    } else {
      client.close_after();
    }
  }

  auto failure = Failure::none;
  while (true) {
    const auto head = upstream.try_head(request.head().method);
    if (!head) {
      co_await runtime::Wait(upstream.readable());
      continue;
    }
    if (!*head) {
      failure = co_await failure_before_response(request, client, upstream, head->error(),
                                                 !sent || request.is_body_gone);
    }
    if (*head && upstream.head().status == 101 && request.upgrade.empty()) {
      request.reason = "the service changes the protocol unasked";
      failure = Failure::malformed_response;
    }
    if (failure != Failure::none || !upstream.head().is_interim()) break;
    failure = co_await send_interim(request, client, upstream);
    if (failure != Failure::none) break;
  }
  failure = beside->cause_of(failure);
  if (failure != Failure::none) co_return failure;
  const auto& response = upstream.head();
  const auto mark = mark_in(lease.session().is_to_chain, response);
  if (mark.failure != Failure::none) {
    request.is_on_used_connection = false;  // it is not this connection that broke
    request.targets_effect = mark.effect;
    if (request.may_retry(mark.failure) != decide::Retry::no) co_return mark.failure;
  }
  if constexpr (TunnelSide<Client> && TunnelSide<Upstream>) {
    if (opens_tunnel(request, response)) {
      beside.reset();  // the client's bytes are the tunnel's from here on
      co_return co_await run_tunnel(request, client, upstream);
    }
  }
  // An error while the request is still coming is the last that this connection carries.
  if (beside->is_uploading() && response.status >= 400) client.close_after();

  beside->begin_response();
  failure = co_await send_response(request, client, upstream);
  if (failure != Failure::none) co_return beside->cause_of(failure);
  if (beside->is_uploading()) {
    client.close_after();
  } else if (upstream.is_reusable()) {
    upstream.deadline().clear();
    lease.keep();
  }
  request.marked = mark.failure;
  co_return Failure::none;
}

}  // namespace weft::proxy
