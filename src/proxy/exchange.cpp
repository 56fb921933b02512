#include "proxy/exchange.h"

#include <cerrno>
#include <optional>

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

Failure failure_of_client(Request& request, const ReadError& error) {
  request.keep_alive = false;
  if (error.kind == ReadError::Kind::refused) {
    request.reason = http::h1::describe(error.refusal);
    if (!request.has_begun_response) request.status = http::h1::status_of(error.refusal);
    return Failure::malformed_request;
  }
  return error.io.code == ETIMEDOUT ? Failure::downstream_timeout : Failure::downstream_closed;
}

/// What goes on beside the wait for a response: the rest of the request's body is sent, or, where there is
/// none, the client is watched. Either may find that the client is gone and breaks the upstream connection
/// then.
class ClientSide final : private runtime::Waiter {
 public:
  ClientSide(Request& request, UpstreamConnection& upstream)
      : request_(request), upstream_(upstream), abort_(request.worker.reactor, upstream.stream()) {}
  ~ClientSide() { request_.client.stream->readable().cancel(*this); }
  ClientSide(const ClientSide&) = delete;
  ClientSide& operator=(const ClientSide&) = delete;

  /// Sends what of the body follows the first piece.
  void upload() { start(send_rest()); }
  /// Costs nothing until the client's stream becomes readable.
  void watch() { request_.client.stream->readable().wait(*this); }

  /// Why the client's part cannot go on; none if it can.
  Failure failure() const { return failure_; }
  bool is_uploading() const { return is_uploading_; }

 private:
  /// A task's end is of no interest: what it found is in the members.
  struct Ended final : runtime::Waiter {
    void wake() override {}
  };

  void wake() override { start(look()); }
  void start(runtime::Task<void> task) {
    running_ = runtime::Running(std::move(task), ended_);
    running_.start();
  }
  void fail(Failure failure) {
    failure_ = failure;
    abort_.set();
  }
  runtime::Task<void> look();
  runtime::Task<void> send_rest();

  Request& request_;
  UpstreamConnection& upstream_;
  Abort abort_;
  Ended ended_;
  runtime::Running running_;
  Failure failure_ = Failure::none;
  bool is_uploading_ = false;
};

runtime::Task<void> ClientSide::look() {
  auto& reader = request_.client.reader();
  // Reading moves what is buffered, the kept piece of the body included.
  if (!request_.first_piece.empty()) request_.is_body_gone = true;
  while (true) {
    const auto size = co_await reader.read_ahead();
    if (!size && size.error().code == ENOBUFS) co_return;  // many pipelined requests: they wait
    if (!size || *size == 0) {
      fail(Failure::downstream_closed);
      co_return;
    }
  }
}

runtime::Task<void> ClientSide::send_rest() {
  auto& reader = request_.client.reader();
  is_uploading_ = true;
  request_.is_body_gone = true;
  while (true) {
    request_.client.read_deadline().expires_after(request_.worker.limits().body_timeout);
    const auto piece = co_await reader.read_body();
    request_.client.read_deadline().clear();
    if (!piece) {
      fail(failure_of_client(request_, piece.error()));
      co_return;
    }
    request_.bytes_received += piece->size();
    const bool last = reader.body_done();
    const bool has_trailers = last && !reader.trailers().empty();
    upstream_.limit_write_pauses(request_.pause_limit());
    const auto sent =
        co_await upstream_.writer.write(*piece, last, has_trailers ? &reader.trailers() : nullptr);
    // If the endpoint takes no more, its response says why, or its end does.
    if (!sent) co_return;
    // It may have waited for this piece within its response.
    if (!upstream_.reader.body_done()) upstream_.deadline.expires_after(request_.pause_limit());
    if (last) break;
  }
  is_uploading_ = false;
}

Failure failure_of_upstream(const ReadError& error) {
  if (error.kind == ReadError::Kind::refused) return Failure::malformed_response;
  return error.io.code == ETIMEDOUT ? Failure::response_timeout : Failure::reset_before_response;
}

/// Takes what of the body is there already, so that it leaves with the head and is at hand for another
/// attempt.
Failure take_first_piece(Request& request) {
  auto& reader = request.client.reader();
  if (request.took_first_piece || reader.body_done() || reader.buffered().empty()) return Failure::none;
  const auto piece = reader.try_body();
  if (!piece) return Failure::none;
  if (!*piece) return failure_of_client(request, piece->error());
  request.took_first_piece = true;
  request.first_piece = **piece;
  request.bytes_received += request.first_piece.size();
  return Failure::none;
}

/// Sends the head and the first piece of the body. The rest is left to ClientSide.
http::h1::Writer::Sending send_request(Request& request, UpstreamConnection& upstream) {
  auto& reader = request.client.reader();
  const bool last = reader.body_done();
  upstream.writer.put_head(request.head(), request.framing());
  return upstream.writer.write(request.first_piece, last,
                               last && !reader.trailers().empty() ? &reader.trailers() : nullptr);
}

/// Sends what is queued for the client, and `piece`.
http::h1::Writer::Sending send_to_client(Request& request, std::string_view piece, bool last = false,
                                         const message::Headers* trailers = nullptr) {
  request.has_begun_response = true;
  return request.client.writer().write(piece, last, trailers);
}

/// Passes an interim response on; none to a client that knows no such thing.
runtime::Task<Failure> send_interim(Request& request, message::ResponseHead& interim) {
  if (request.is_http10()) co_return Failure::none;
  rewrite_response(request, interim);
  request.client.writer().put_head(interim, Framing{});
  const auto sent = co_await request.client.writer().flush();
  co_return sent ? Failure::none : Failure::downstream_closed;
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
  const auto failure = failure_of_upstream(error);
  return failure == Failure::reset_before_response ? Failure::cut_in_response : failure;
}

/// Streams the response. Its head waits for the first piece of the body where that is there already.
runtime::Task<Failure> send_response(Request& request, UpstreamConnection& upstream) {
  auto& reader = upstream.reader;
  auto& response = reader.head();
  const auto framing = response_framing(request, reader.framing());
  const bool ends_by_close = framing.kind == Framing::Kind::until_close;
  if (ends_by_close || request.client.is_ending()) request.keep_alive = false;
  rewrite_response(request, response);
  request.client.writer().put_head(response, framing);
  // Until it is whole: a clean end of the connection would say that it is.
  if (ends_by_close) request.client.stream->reset_at_close(true);
  if (!reader.body_done() && reader.buffered().empty()) {
    request.status = response.status;
    if (!co_await send_to_client(request, {})) co_return Failure::downstream_closed;
  }
  while (true) {
    auto piece = reader.try_body();
    while (!piece) {
      upstream.deadline.expires_after(request.pause_limit());
      co_await runtime::Wait(upstream.stream().readable());
      piece = reader.try_body();
    }
    upstream.deadline.expires_after(request.time_left());
    if (!*piece) co_return broken_off(request, piece->error());
    request.status = response.status;
    const bool last = reader.body_done();
    const bool has_trailers = last && !reader.trailers().empty();
    if (!co_await send_to_client(request, **piece, last, has_trailers ? &reader.trailers() : nullptr)) {
      co_return Failure::downstream_closed;
    }
    request.bytes_sent += (*piece)->size();
    if (last) break;
  }
  if (ends_by_close) request.client.stream->reset_at_close(false);
  co_return Failure::none;
}

/// The failure that the inbound chain of this process says it made, none if the response is the
/// application's.
Failure marked_failure(const UpstreamConnection& upstream, const message::ResponseHead& head) {
  if (!upstream.is_local()) return Failure::none;
  const auto mark = head.headers.find(message::FieldId::x_weft_refused);
  return mark ? failure_of(telemetry::flag_of(*mark)) : Failure::none;
}

/// Bytes both ways, for as long as they like.
runtime::Task<Failure> run_tunnel(Request& request, UpstreamConnection& upstream) {
  auto& response = upstream.reader.head();
  request.status = response.status;
  request.keep_alive = false;
  rewrite_response(request, response);
  request.client.writer().put_head(response, Framing{});
  if (!co_await send_to_client(request, {})) co_return Failure::downstream_closed;
  upstream.deadline.clear();
  request.unpin();
  TunnelBytes bytes;
  co_await tunnel(request.worker.reactor, *request.client.stream, upstream.stream(),
                  request.client.reader().buffered(), upstream.reader.buffered(),
                  request.worker.limits().tunnel_idle_timeout, bytes);
  request.bytes_received += bytes.to_upstream;
  request.bytes_sent += bytes.to_client;
  co_return Failure::none;
}

}  // namespace

runtime::Task<Failure> exchange(Request& request, Lease lease) {
  auto& upstream = *lease;
  auto& response = upstream.reader.head();
  upstream.deadline.expires_after(request.time_left());
  if (const auto failure = take_first_piece(request); failure != Failure::none) co_return failure;
  const auto before = upstream.writer.bytes_sent();
  upstream.limit_write_pauses(request.pause_limit());
  const auto sent = co_await send_request(request, upstream);
  request.was_sent = upstream.writer.bytes_sent() != before;
  if (!sent && sent.error().code == ETIMEDOUT) co_return Failure::response_timeout;
  // One that closes while it is written to may have answered before: that is read all the same.
  std::optional<ClientSide> client_side(std::in_place, request, upstream);
  if (request.client.reader().body_done()) {
    client_side->watch();
  } else if (sent) {
    client_side->upload();
  } else {
    // Nobody reads the rest of the body, so that nothing can follow it.
    request.keep_alive = false;
    client_side->watch();
  }

  auto failure = Failure::none;
  while (true) {
    const auto head = upstream.reader.try_head(request.head().method);
    if (!head) {
      co_await runtime::Wait(upstream.stream().readable());
      continue;
    }
    if (!*head) failure = failure_of_upstream(head->error());
    if (*head && response.status == 101 && request.upgrade.empty()) failure = Failure::malformed_response;
    if (failure != Failure::none || !response.is_interim()) break;
    failure = co_await send_interim(request, response);
    if (failure != Failure::none) break;
  }
  if (client_side->failure() != Failure::none) co_return client_side->failure();
  if (failure != Failure::none) co_return failure;
  const auto marked = marked_failure(upstream, response);
  if (marked != Failure::none && may_try_again(request, marked)) co_return marked;
  if (opens_tunnel(request, response)) {
    client_side.reset();  // the client's bytes are the tunnel's from here on
    co_return co_await run_tunnel(request, upstream);
  }
  // An error while the request is still coming is the last that this connection carries.
  if (client_side->is_uploading() && response.status >= 400) request.keep_alive = false;

  failure = co_await send_response(request, upstream);
  if (failure != Failure::none) {
    co_return client_side->failure() != Failure::none ? client_side->failure() : failure;
  }
  if (client_side->is_uploading()) {
    request.keep_alive = false;
  } else if (upstream.reader.is_reusable() && upstream.writer.is_done()) {
    lease.keep();
  }
  request.marked = marked;
  co_return Failure::none;
}

}  // namespace weft::proxy
