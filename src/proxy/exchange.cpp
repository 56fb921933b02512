#include "proxy/exchange.h"

#include <cerrno>
#include <optional>

#include "http/h1/limits.h"
#include "proxy/rewrite.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"
#include "runtime/combine.h"
#include "runtime/running.h"

namespace weft::proxy {
namespace {

using http::h1::Framing;
using http::h1::ReadError;

/// Breaks an upstream connection from the loop: whoever asks for it may be running below the one that waits
/// for it.
class Abort final : private runtime::Waiter {
 public:
  Abort(runtime::Reactor& reactor, runtime::Stream& stream) : stream_(stream), soon_(reactor, *this) {}
  void set() { soon_.set(); }

 private:
  void wake() override { stream_.fail({ECANCELED}); }
  runtime::Stream& stream_;
  runtime::Soon soon_;
};

/// Why nothing can be had of the client, or nothing be given to it.
Failure failure_of_client(runtime::IoError error) {
  return error.code == ETIMEDOUT ? Failure::downstream_timeout : Failure::downstream_closed;
}

Failure failure_of_client(Request& request, const ReadError& error) {
  request.keep_alive = false;
  if (error.kind == ReadError::Kind::refused) {
    request.reason = http::h1::describe(error.refusal);
    if (!request.has_begun_response) request.status = http::h1::status_of(error.refusal);
    return Failure::malformed_request;
  }
  return failure_of_client(error.io);
}

/// What goes on beside the wait for a response: the rest of the request's body is sent, and the client is
/// watched. Either may find that the client is gone and breaks the upstream connection then.
class ClientSide final : private runtime::Waiter {
 public:
  ClientSide(Request& request, UpstreamConnection& upstream)
      : request_(request), upstream_(upstream), abort_(request.worker.reactor, upstream.stream()) {}
  ~ClientSide() { request_.client.stream->readable().cancel(*this); }
  ClientSide(const ClientSide&) = delete;
  ClientSide& operator=(const ClientSide&) = delete;

  /// Sends what of the body follows the first piece.
  void upload();
  /// Finds out when the client has left, without reading: what it has pipelined waits where it is.
  void watch();

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
  UpstreamConnection& upstream_;
  Abort abort_;
  Ended ended_;
  runtime::Running running_;
  Failure failure_ = Failure::none;
  bool is_uploading_ = false;
};

void ClientSide::watch() {
  auto& stream = *request_.client.stream;
  if (stream.has_ended()) return fail(Failure::downstream_closed);
  stream.readable().wait(*this);
}

void ClientSide::upload() {
  is_uploading_ = true;
  running_ = runtime::Running(send_rest(), ended_);
  running_.start();
}

runtime::Task<void> ClientSide::send_rest() {
  auto& reader = request_.client.reader();
  request_.is_body_gone = true;
  while (is_uploading_) {
    if (!request_.awaits_response()) {
      request_.client.read_deadline().expires_after(request_.worker.limits().body_timeout);
    }
    const auto piece = co_await reader.read_body();
    request_.client.read_deadline().clear();
    if (!piece) {
      fail(failure_of_client(request_, piece.error()));
      co_return;
    }
    request_.bytes_received += piece->size();
    const bool last = reader.body_done();
    const bool has_trailers = last && !reader.trailers().empty();
    request_.await_response(last);
    watch();
    const auto sent =
        co_await upstream_.writer.write(*piece, last, has_trailers ? &reader.trailers() : nullptr);
    // If the endpoint takes no more, its response says why, or its end does.
    if (!sent) co_return;
    // It may have waited for this piece, with its response or within that. Within it nobody may wait for it
    // now.
    if (!request_.has_begun_response) {
      upstream_.deadline.expires_after(request_.time_left());
    } else if (upstream_.deadline.has_time()) {
      upstream_.deadline.expires_after(request_.pause_limit());
    }
    is_uploading_ = !last;
  }
}

/// Why the response cannot be read on.
Failure failure_of_response(Request& request, const ReadError& error) {
  if (error.kind == ReadError::Kind::refused) {
    request.reason = http::h1::describe(error.refusal);
    return Failure::malformed_response;
  }
  return error.io.code == ETIMEDOUT ? Failure::response_timeout : Failure::cut_in_response;
}

/// How long an end may be ahead of the reset, or the acknowledgement, that says what it means for what was
/// sent.
constexpr auto verdict_time = std::chrono::milliseconds(5);

/// What it means that a connection ended before the response's head, of which `before` bytes had been sent
/// when the request began. `has_lost_error`: a write may have failed by the reset, which no read tells then.
runtime::Task<Failure> failure_before_response(Request& request, UpstreamConnection& upstream,
                                               ReadError error, std::uint64_t before, bool has_lost_error) {
  const auto failure = failure_of_response(request, error);
  if (failure != Failure::cut_in_response) co_return failure;
  const auto sent = upstream.writer.bytes_sent();
  if (sent == before) co_return Failure::closed_at_rest;
  if (error.kind != ReadError::Kind::closed || has_lost_error) co_return Failure::reset_before_response;
  auto taken = upstream.stream().taken_of(sent);
  if (!taken) {
    co_await request.worker.reactor.sleep(verdict_time);
    taken = upstream.stream().taken_of(sent);
  }
  if (taken && *taken <= before) co_return Failure::closed_at_rest;
  const bool was_whole = taken == sent && request.client.reader().body_done();
  // One that is being stopped ends whatever it is asked, and one that serves many may have died of any.
  const auto& endpoint = request.endpoint();
  const bool may_be_the_cause = was_whole && endpoint.is_in_service() && !endpoint.is_busy();
  co_return may_be_the_cause ? Failure::closed_unanswered : Failure::reset_before_response;
}

/// Takes what of the body is there already, so that it leaves with the head and is at hand for another
/// attempt.
Failure take_first_piece(Request& request) {
  auto& reader = request.client.reader();
  const bool was_taken = request.first_piece.data() != nullptr;
  if (was_taken || reader.body_done() || reader.buffered().empty()) return Failure::none;
  const auto piece = reader.try_body();
  if (!piece) return Failure::none;
  if (!*piece) return failure_of_client(request, piece->error());
  request.first_piece = **piece;
  request.bytes_received += request.first_piece.size();
  request.await_response(reader.body_done());
  return Failure::none;
}

/// Sends the head and the first piece of the body. The rest is left to ClientSide.
http::h1::Writer::Sending send_request(Request& request, UpstreamConnection& upstream) {
  auto& reader = request.client.reader();
  const bool last = reader.body_done();
  upstream.writer.put_head(request.head(), request.framing(), request.patch());
  return upstream.writer.write(request.first_piece, last,
                               last && !reader.trailers().empty() ? &reader.trailers() : nullptr);
}

/// Sends what is queued for the client, and `piece`.
http::h1::Writer::Sending send_to_client(Request& request, std::string_view piece, bool last = false,
                                         const message::Headers* trailers = nullptr) {
  request.has_begun_response = true;
  return request.client.writer().write(piece, last, trailers);
}

/// Queues a head for the client.
void put_response(Request& request, const message::ResponseHead& head, const Framing& framing) {
  auto& patch = request.client.response_patch();
  patch_response(request, head, patch);
  request.client.writer().put_head(head, framing, patch);
}

/// Passes an interim response on; none to a client that knows no such thing.
runtime::Task<Failure> send_interim(Request& request, UpstreamConnection& upstream) {
  if (++request.interim_responses > http::h1::max_interim_responses) {
    request.reason = "the service sends interim responses without end";
    request.keep_alive = false;  // who has read so many expects more of them
    co_return Failure::malformed_response;
  }
  if (request.is_http10()) co_return Failure::none;
  const auto& interim = upstream.reader.head();
  put_response(request, interim, Framing{});
  const auto before = request.worker.reactor.coarse_now();
  upstream.deadline.clear();
  const auto sent = co_await request.client.writer().flush();
  if (!sent) co_return failure_of_client(sent.error());
  // What the client took its time for is not the service's.
  request.prolong_wait(request.worker.reactor.coarse_now() - before);
  upstream.deadline.expires_after(request.time_left());
  if (interim.status == 100 && !request.client.reader().body_done() && request.awaits_response()) {
    // The service has asked for the body: it is the client's turn.
    request.await_response(false);
    upstream.deadline.clear();
    request.client.read_deadline().expires_after(request.worker.limits().body_timeout);
  }
  co_return Failure::none;
}

/// Whether bytes both ways follow the head: after 101, or a 2xx to CONNECT (RFC 9110, 9.3.6).
bool opens_tunnel(const Request& request, const message::ResponseHead& response) {
  return response.status == 101 || (request.is_connect() && response.status / 100 == 2);
}

/// What a response that broke off means. Of one that has begun the client sees no end; in place of one whose
/// head still waited it is told.
Failure broken_off(Request& request, const ReadError& error) {
  if (!request.has_begun_response) {
    request.client.writer().drop_queued();
    request.client.stream->reset_at_close(false);
  }
  const auto failure = failure_of_response(request, error);
  if (failure == Failure::response_timeout) request.reason = "the service paused too long within its answer";
  return failure;
}

/// Streams the response. Its head waits for the first piece of the body where that is there already.
runtime::Task<Failure> send_response(Request& request, UpstreamConnection& upstream) {
  auto& reader = upstream.reader;
  const auto& response = reader.head();
  const auto framing = response_framing(request, reader.framing());
  const bool ends_by_close = framing.kind == Framing::Kind::until_close;
  if (ends_by_close || request.client.is_ending()) request.keep_alive = false;
  put_response(request, response, framing);
  upstream.deadline.clear();
  // Until it is whole: a clean end of the connection would say that it is.
  if (ends_by_close) request.client.stream->reset_at_close(true);
  if (!reader.body_done() && reader.buffered().empty()) {
    request.status = response.status;
    if (const auto sent = co_await send_to_client(request, {}); !sent) {
      co_return failure_of_client(sent.error());
    }
  }
  while (true) {
    auto piece = reader.try_body();
    while (!piece) {
      upstream.deadline.expires_after(request.pause_limit());
      co_await runtime::Wait(upstream.stream().readable());
      piece = reader.try_body();
    }
    upstream.deadline.clear();
    if (!*piece) co_return broken_off(request, piece->error());
    request.status = response.status;
    const bool last = reader.body_done();
    const bool has_trailers = last && !reader.trailers().empty();
    const auto sent =
        co_await send_to_client(request, **piece, last, has_trailers ? &reader.trailers() : nullptr);
    if (!sent) co_return failure_of_client(sent.error());
    request.bytes_sent += (*piece)->size();
    if (last) break;
  }
  if (ends_by_close) request.client.stream->reset_at_close(false);
  co_return Failure::none;
}

/// What the inbound chain of this process says of its failure; none if the response is the application's.
Mark mark_in(const UpstreamConnection& upstream, const message::ResponseHead& head) {
  if (!upstream.is_local()) return {};
  const auto text = head.headers.find(message::FieldId::x_weft_refused);
  const auto mark = text ? read_mark(*text) : Mark{};
  return is_of_client(mark.failure) ? Mark{} : mark;
}

/// Bytes both ways, for as long as they like.
runtime::Task<Failure> run_tunnel(Request& request, UpstreamConnection& upstream) {
  const auto& response = upstream.reader.head();
  request.status = response.status;
  request.keep_alive = false;
  put_response(request, response, Framing{});
  if (const auto sent = co_await send_to_client(request, {}); !sent) {
    co_return failure_of_client(sent.error());
  }
  upstream.deadline.clear();
  request.let_snapshot_go();
  TunnelBytes bytes;
  co_await tunnel(request.worker, *request.client.stream, upstream.stream(),
                  request.client.reader().buffered(), upstream.reader.buffered(),
                  request.worker.limits().tunnel_idle_timeout, bytes);
  request.bytes_received += bytes.to_upstream;
  request.bytes_sent += bytes.to_client;
  co_return Failure::none;
}

}  // namespace

runtime::Task<Failure> exchange(Request& request, Lease lease) {
  auto& upstream = *lease;
  const auto& response = upstream.reader.head();
  if (const auto failure = take_first_piece(request); failure != Failure::none) co_return failure;
  upstream.deadline.expires_after(request.time_left());
  upstream.limit_write_pauses(request.pause_limit());
  std::optional<ClientSide> client_side(std::in_place, request, upstream);
  client_side->watch();
  const auto before = upstream.writer.bytes_sent();
  const auto sent = co_await send_request(request, upstream);
  if (!sent && sent.error().code == ETIMEDOUT) co_return Failure::response_timeout;
  // One that closes while it is written to may have answered before: that is read all the same. Then nobody
  // reads the rest of the body, so that nothing can follow it.
  if (!request.client.reader().body_done()) {
    if (sent) {
      client_side->upload();
    } else {
      request.keep_alive = false;
    }
  }

  auto failure = Failure::none;
  while (true) {
    const auto head = upstream.reader.try_head(request.head().method);
    if (!head) {
      co_await runtime::Wait(upstream.stream().readable());
      continue;
    }
    if (!*head) {
      failure = co_await failure_before_response(request, upstream, head->error(), before,
                                                 !sent || request.is_body_gone);
    }
    if (*head && response.status == 101 && request.upgrade.empty()) {
      request.reason = "the service changes the protocol unasked";
      failure = Failure::malformed_response;
    }
    if (failure != Failure::none || !response.is_interim()) break;
    failure = co_await send_interim(request, upstream);
    if (failure != Failure::none) break;
  }
  failure = client_side->cause_of(failure);
  if (failure != Failure::none) co_return failure;
  const auto mark = mark_in(upstream, response);
  if (mark.failure != Failure::none) {
    request.is_on_used_connection = false;  // it is not this connection that broke
    request.told_effect = mark.effect;
    if (request.may_retry(mark.failure) != decide::Retry::no) co_return mark.failure;
  }
  if (opens_tunnel(request, response)) {
    client_side.reset();  // the client's bytes are the tunnel's from here on
    co_return co_await run_tunnel(request, upstream);
  }
  // An error while the request is still coming is the last that this connection carries.
  if (client_side->is_uploading() && response.status >= 400) request.keep_alive = false;

  failure = co_await send_response(request, upstream);
  if (failure != Failure::none) co_return client_side->cause_of(failure);
  if (client_side->is_uploading()) {
    request.keep_alive = false;
  } else if (upstream.reader.is_reusable() && upstream.writer.is_done()) {
    lease.keep();
  }
  request.marked = mark.failure;
  co_return Failure::none;
}

}  // namespace weft::proxy
