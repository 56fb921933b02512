// HTTP/2 over any Stream (cleartext with prior knowledge, RFC 9113, 3.3), client and server: many streams on
// one connection, flow control with bounded buffers, GOAWAY, keep-alive pings. The frames are nghttp2's.
//
// A Connection works by itself from its making to its destruction, driven by the reactor; nothing has to be
// run for it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "http/h2/error.h"
#include "message/head.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::http::h2 {

struct Limits {
  /// Streams that the peer may have open at once.
  std::uint32_t max_streams = 256;
  /// Bytes of one stream's body that may wait here to be read.
  std::uint32_t stream_window = 256 * 1024;
  /// Bytes of one stream's body that may wait here to be sent before write() waits.
  std::size_t send_buffer = 64 * 1024;
  /// Bytes of all streams' bodies that may wait here to be sent before room() waits: what a peer costs that
  /// opens many streams and reads none.
  std::size_t connection_send_buffer = 2 * 1024 * 1024;
  /// Frames (answers to PING, RST_STREAM, heads) that may wait to be sent before reading stops: a peer that
  /// does not read is not read from.
  std::size_t max_queued_frames = 1024;
  /// Bytes of a head or of trailers, counted as RFC 9113, 6.5.2 does; a larger one resets the stream.
  std::uint32_t max_header_bytes = 64 * 1024;
  /// Bytes of the heads and trailers of all open streams, counted so; the stream that exceeds it is reset.
  std::size_t max_heads_bytes = 8 * 1024 * 1024;
  /// A peer that was silent for so long is sent a PING; zero: never.
  base::Duration ping_interval = std::chrono::seconds(30);
  /// A peer that leaves a PING unanswered for so long is gone.
  base::Duration ping_timeout = std::chrono::seconds(10);
};

class Session;
struct StreamState;

/// One request and its response. Destroying it before both directions have ended resets the stream; what was
/// finished is still sent. One reader and one writer at a time.
class Stream {
 public:
  explicit Stream(std::shared_ptr<StreamState> state);
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();

  /// A server's stream: the head that opened it.
  const message::RequestHead& request() const;
  /// A client's stream: the final response's head; interim ones are passed over.
  runtime::Task<H2Result<message::ResponseHead>> response();
  /// Appends to `into`, which must live as long, what has arrived of the peer's body; how many bytes, 0 at
  /// its end.
  runtime::Task<H2Result<std::size_t>> read(std::string& into);
  /// The peer's trailers, once read() has given 0.
  const message::Headers& trailers() const;

  /// A server's stream: sends the final head. Once.
  void respond(const message::ResponseHead& head, bool end_stream = false);
  /// Ends when less than Limits::connection_send_buffer is unsent on the connection: for a server to wait
  /// before it makes what it writes. Streams get their turn in order.
  runtime::Task<H2Result<void>> room();
  /// Sends bytes of the body; waits while more than Limits::send_buffer are unsent.
  runtime::Task<H2Result<void>> write(std::string bytes);
  /// Ends this side's body, with trailers if there are any. Once.
  void finish(const message::Headers& trailers = {});
  /// Whether the peer can still be sent to and heard from.
  bool is_open() const;

 private:
  void release();
  std::shared_ptr<StreamState> state_;
};

/// Destroying it closes the connection: its streams end with `closed`.
class Connection {
 public:
  static Connection client(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> transport,
                           Limits limits = {});
  static Connection server(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> transport,
                           Limits limits = {});
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  /// A client's new stream with this head. Above the peer's limit of streams it waits inside for its turn.
  /// Errors: `closed`, `refused` (the peer takes no more).
  H2Result<Stream> open(const message::RequestHead& head, bool end_stream = false);
  /// A server's next stream; nothing once the connection has ended. One waiter at a time.
  runtime::Task<std::optional<Stream>> accept();
  /// Takes no further streams, lets those that are open end, then closes (GOAWAY).
  void shut_down();
  /// Ends when the connection has ended.
  runtime::Task<void> closed();
  /// Whether open() would be let through.
  bool is_open() const;
  /// Why it ended.
  H2Error error() const;

 private:
  explicit Connection(std::shared_ptr<Session> session);
  std::shared_ptr<Session> session_;
};

}  // namespace weft::http::h2
