// The two sides of a request as the exchange of it sees them, whatever protocol each speaks: what is read of
// the one is written to the other. No virtual call: exchange() is compiled for each pair.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/read_error.h"
#include "message/content.h"
#include "message/head.h"
#include "message/patch.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::proxy {

class ClientConnection;

/// What a peer surely has of a request whose connection ended before a response.
enum class Taken : std::uint8_t { nothing, unknown, all };

/// A message with a body in both directions. Views are valid until the next read.
template <class S>
concept Side = requires(S side, std::string_view piece, bool last, const message::Headers* trailers) {
  /// How long its body is, once its head is there.
  { side.content() } -> std::convertible_to<message::Content>;
  /// As http::h1::Reader has them.
  { side.try_body() } -> std::same_as<std::optional<http::ReadResult<std::string_view>>>;
  { side.is_body_done() } -> std::same_as<bool>;
  { side.trailers() } -> std::same_as<const message::Headers&>;
  /// More has arrived already than was read.
  { side.has_more() } -> std::same_as<bool>;
  /// Notified when try_body(), or the wait for a head, may give more, and at the peer's end.
  { side.readable() } -> std::same_as<runtime::Readiness&>;
  /// `co_await` it: an IoResult<void>. Sends what was put and this piece.
  side.write(piece, last, trailers);
};

/// The client's side of one request, whose head has come.
template <class C>
concept ClientSide = Side<C> && requires(C client, const message::ResponseHead& head,
                                         const message::Content& content, message::Patch& patch) {
  /// Whose it is.
  { client.connection() } -> std::same_as<ClientConnection&>;
  { client.head() } -> std::same_as<const message::RequestHead&>;
  /// It is gone, or has given the request up.
  { client.has_ended() } -> std::same_as<bool>;
  /// Breaks the wait for a piece of the body.
  client.read_deadline().expires_after(base::Duration{});
  client.read_deadline().clear();
  /// Patches to use for this request, so that their memory is kept.
  { client.request_patch() } -> std::same_as<message::Patch&>;
  { client.response_patch() } -> std::same_as<message::Patch&>;
  /// It can be sent interim responses.
  { client.takes_interim() } -> std::same_as<bool>;
  /// Queues a head that no body of its own follows: an interim one, or a tunnel's. co_await flush() sends it.
  client.put_bare_head(head, patch);
  client.flush();
  /// Queues the final head; adds to the patch what the protocol says of the connection.
  client.put_head(head, content, patch);
  /// Takes back a final head that was put and not sent.
  client.take_back();
  /// No other request comes on its connection, where that carries one after the other.
  client.close_after();
};

/// The endpoint's side of one request: a stream on loan.
template <class U>
concept UpstreamSide =
    Side<U> && requires(U upstream, const message::RequestHead& request, const message::Content& content,
                        const message::Patch& patch, http::ReadError error) {
      /// Queues the head.
      upstream.put_head(request, content, patch);
      /// Each wait for it to take more of the request is limited.
      upstream.limit_write_pauses(base::Duration{});
      /// The next head of the response, interim ones too; nothing if more must arrive first.
      { upstream.try_head(message::Method::get) } -> std::same_as<std::optional<http::ReadResult<void>>>;
      /// That head; not before there is one.
      { upstream.head() } -> std::same_as<const message::ResponseHead&>;
      /// Breaks the wait for the response, or for more of it.
      upstream.deadline().expires_after(base::Duration{});
      upstream.deadline().clear();
      { upstream.deadline().has_time() } -> std::same_as<bool>;
      /// What it has of the request, after that error before a head. `has_lost_error`: a write may have
      /// failed by the reset, which no read tells then.
      { upstream.taken(error, bool{}) } -> std::same_as<runtime::Task<Taken>>;
      /// Request and response have come to their ends, and it may carry another.
      { upstream.is_reusable() } -> std::same_as<bool>;
      /// Gives it up: the peer's answer is not wanted any more.
      upstream.reset();
    };

/// Bytes both ways may follow a head on it.
template <class S>
concept TunnelSide = requires(S side) {
  { side.stream() } -> std::same_as<runtime::Stream&>;
  /// What had arrived behind the head.
  { side.buffered() } -> std::same_as<std::string_view>;
};

}  // namespace weft::proxy
