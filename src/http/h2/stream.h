// One request and its response on an HTTP/2 connection, with the calls of HTTP/1's reader and writer
// (http/h1/reader.h, writer.h), so that what moves messages need not know which of both it moves.
#pragma once

#include <cerrno>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/read_error.h"
#include "message/content.h"
#include "message/head.h"
#include "message/patch.h"
#include "runtime/local_ptr.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::http::h2 {

class Session;
struct StreamState;

/// What a peer is told that a stream was reset for (RFC 9113, 7).
enum class ResetCode : std::uint8_t {
  /// The answer is whole and the rest of the request is not wanted.
  no_error = 0,
  internal_error = 2,
  /// Nothing was done with the request: it may be sent again.
  refused_stream = 7,
  /// No longer wanted.
  cancel = 8,
};

/// What both sides share: the bodies. Destroying it before both directions have ended resets the stream. One
/// reader and one writer at a time; it may outlive its Connection.
class RequestStream {
 public:
  /// `co_await` it: a write on its way. Allocates nothing.
  class Sending final : private runtime::Waiter {
   public:
    Sending(RequestStream& stream, std::string_view piece, bool last, const message::Headers* trailers);
    Sending(const Sending&) = delete;
    Sending& operator=(const Sending&) = delete;
    ~Sending();
    bool await_ready();
    void await_suspend(std::coroutine_handle<> handle);
    runtime::IoResult<void> await_resume() const;

   private:
    void wake() override;
    bool is_over() const;

    runtime::LocalPtr<Session> session_;
    StreamState& state_;
    std::string_view piece_;
    const message::Headers* trailers_;
    bool last_;
    runtime::IoError refused_;
    std::coroutine_handle<> handle_;
  };

  RequestStream(RequestStream&&) noexcept;
  RequestStream& operator=(RequestStream&&) noexcept;

  /// What can be had of the peer's body now: its next piece; empty once it has ended (and from then on).
  /// Nothing if more must arrive first: wait for readable(). The view is valid until the next read. The peer
  /// may send as much more as is taken here.
  std::optional<ReadResult<std::string_view>> try_body();
  /// The same, waiting for it.
  runtime::Task<ReadResult<std::string_view>> read_body();
  /// More of it has arrived than was read.
  bool has_more() const;
  /// Nothing of the body is left to read.
  bool body_done() const;
  /// Those of the peer, once body_done().
  const message::Headers& trailers() const;
  /// Of the message whose head was read last: how long its body is.
  const message::Content& content() const;
  /// Notified when there is more to read, and when the stream has ended.
  runtime::Readiness& readable();

  /// Sends bytes of the body; with `last` its end too, with `trailers` if there are any. Ends when all of it
  /// has left for the connection, which takes as much as the peer's windows allow. All that is given must
  /// live as long. EMSGSIZE behind the end of the message; any other error says only that the stream is over:
  /// reading tells how it ended.
  Sending write(std::string_view piece, bool last = false, const message::Headers* trailers = nullptr) {
    return {*this, piece, last, trailers};
  }
  /// Ends when less than Limits::connection_send_buffer is unsent on the connection: for a server to wait
  /// before it makes what it writes. Streams get their turn in order.
  runtime::Task<runtime::IoResult<void>> room();
  /// Each wait for the peer's windows in a write ends after `limit` without progress, by `deadline`, which
  /// must live as long and breaks this stream.
  void limit_pauses(runtime::Deadline& deadline, base::Duration limit);
  /// As write(), for who is no coroutine: writable() is notified when is_writing() may have ended.
  void begin_write(std::string_view piece, bool last);
  bool is_writing() const;
  /// Takes back what has not left.
  void drop_write();
  runtime::Readiness& writable();
  /// Bytes of what is being written that have not left yet.
  std::size_t unsent() const;
  /// Whether it is (extended) CONNECT, so that bytes of another protocol follow a head that agrees.
  bool is_tunnel() const;
  /// Bytes of the body that have left for the connection.
  std::uint64_t bytes_sent() const;
  /// This side's message has been sent to its end.
  bool is_done() const;

  /// Ends both directions now; who waits gets `error`.
  void reset(ResetCode code, runtime::IoError error = {ECANCELED});
  /// Whether the peer can still be sent to or heard from.
  bool is_open() const;

 protected:
  /// `state` is held for it.
  RequestStream(runtime::LocalPtr<Session> session, StreamState& state);
  ~RequestStream();

  runtime::LocalPtr<Session> session_;
  StreamState* state_;
};

/// A request as its server sees it: Connection::accept() gives it with the head that opened it.
class ServerStream final : public RequestStream {
 public:
  ServerStream(runtime::LocalPtr<Session> session, StreamState& state);

  /// Valid as message::validate() says, and of HTTP/2. May be changed in place.
  message::RequestHead& head();
  const message::RequestHead& head() const;
  /// Why the request was refused, and the stream reset: nothing of the head is to be trusted then.
  std::optional<message::Refusal> refusal() const;
  /// Sends a head: any number of interim ones, then the final one, which is the end if `content` is empty.
  void put_head(const message::ResponseHead& head, const message::Content& content,
                const message::Patch& patch = {});
};

/// A request as its client sees it. The first thing to do is put_head().
class ClientStream final : public RequestStream {
 public:
  ClientStream(runtime::LocalPtr<Session> session, StreamState& state);

  /// Sends the request's head, which is all of it if `content` is empty. Above the peer's limit of streams it
  /// waits inside for its turn. Once.
  /// `protocol`: asks for that one by extended CONNECT (RFC 8441), if it is not empty.
  void put_head(const message::RequestHead& head, const message::Content& content,
                const message::Patch& patch = {}, std::string_view protocol = {});
  /// The next head of the response, if it is there; nothing if more must arrive first: wait for readable().
  /// Interim ones (1xx) come out too, each by its own call.
  std::optional<ReadResult<void>> try_head();
  /// The same, waiting for it.
  runtime::Task<ReadResult<void>> read_head();
  /// What try_head() gave last, not before it did; valid as message::validate() says. May be changed in
  /// place.
  message::ResponseHead& head();
  const message::ResponseHead& head() const;
};

}  // namespace weft::http::h2
