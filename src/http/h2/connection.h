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
#include <string_view>

#include "base/clock.h"
#include "http/h2/stream.h"
#include "http/read_error.h"
#include "runtime/local_ptr.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::http::h2 {

struct Limits {
  /// Streams that the peer may have open at once.
  std::uint32_t max_streams = 256;
  /// Bytes of one stream's body that may wait here to be read, and of all streams' together: windows are
  /// given back as bytes are taken.
  std::uint32_t stream_window = 256 * 1024;
  std::uint32_t connection_window = 4 * 1024 * 1024;
  /// Bytes that all streams' writers wait to send before room() waits: what a peer costs that opens many
  /// streams and reads none.
  std::uint32_t connection_send_buffer = 2 * 1024 * 1024;
  /// Bytes of a head or of trailers, counted as RFC 9113, 6.5.2 does; a larger one resets the stream.
  std::uint32_t max_header_bytes = 64 * 1024;
  /// A server's: it takes extended CONNECT (RFC 8441).
  bool takes_extended_connect = false;
  /// A server's, on a Unix socket: what clients say as its authority is no host but, of gRPC, the socket's
  /// path with escapes. It is taken for "localhost", whatever it is.
  bool is_local = false;
  /// A head must have come so long after its first byte, a client's preface so long after the connection;
  /// zero: no limit.
  base::Duration head_timeout{};
  /// A peer that was silent for so long while streams are open is sent a PING; zero: never.
  base::Duration ping_interval = std::chrono::seconds(30);
  /// A peer that leaves a PING unanswered for so long is gone.
  base::Duration ping_timeout = std::chrono::seconds(10);
};

/// Destroying it closes the connection: its streams end by ECANCELED.
class Connection {
 public:
  static Connection client(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> transport,
                           Limits limits = {});
  /// `received`: what was read from the transport before.
  static Connection server(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> transport,
                           Limits limits = {}, std::string_view received = {});
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  /// A client's new stream. Errors: why the connection ended; `unprocessed` if the peer takes no more.
  ReadResult<ClientStream> open();
  /// A server's next stream; nothing once the connection has ended. One waiter at a time.
  runtime::Task<std::optional<ServerStream>> accept();
  /// The same without waiting: nothing if none has come; changed() tells of the next. Here those come out too
  /// whose request was refused (ServerStream::refusal()), for the record.
  std::optional<ServerStream> try_accept();
  /// Notified when a stream has come, when the peer's settings have, when is_open() ends and when the
  /// connection does. One waiter, accept() included.
  runtime::Readiness& changed();
  /// Takes no further streams, lets those that are open end, then closes. A server's peer is told before, so
  /// that it loses none that is on its way (RFC 9113, 6.8).
  void shut_down();
  /// Takes in what has arrived by now.
  void poll();
  bool has_ended() const;
  /// No stream is open.
  bool is_idle() const;
  /// The peer's settings have come.
  bool is_settled() const;
  /// The peer takes extended CONNECT, as far as it has said.
  bool may_extend_connect() const;
  /// Streams that the peer takes at once, as far as it has said; those beyond wait inside.
  std::uint32_t max_streams() const;
  /// Whether open() would be let through.
  bool is_open() const;
  /// Why it ended: `closed` by the peer; `io` ETIMEDOUT if a ping was not answered, EPROTO if the peer broke
  /// the protocol, ECANCELED if this side closed it.
  const ReadError& error() const;

 private:
  explicit Connection(runtime::LocalPtr<Session> session);
  runtime::LocalPtr<Session> session_;
};

}  // namespace weft::http::h2
