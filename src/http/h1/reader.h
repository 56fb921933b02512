// Messages read from a connection: heads by the parser, bodies as views into the receive buffer, so that
// forwarding a body copies nothing. Shared by proxy, server and client.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "http/h1/buffer.h"
#include "http/h1/chunked.h"
#include "http/h1/parse.h"
#include "http/read_error.h"
#include "message/head.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::http::h1 {

using http::ReadError;
using http::ReadResult;

/// What requests and responses share: the buffer and the body. One read at a time.
class Reader {
 public:
  Reader() = default;
  explicit Reader(runtime::Stream& stream) : stream_(&stream) {}
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// What can be had of the body now: its next piece; empty once it has ended (and from then on). Nothing if
  /// more must arrive first: wait for the stream to become readable. The view is valid until the next read on
  /// this reader.
  std::optional<ReadResult<std::string_view>> try_body();
  /// The next piece of the body as soon as any of it is there; empty once the body has ended (and from then
  /// on). The view is valid until the next read on this reader.
  runtime::Task<ReadResult<std::string_view>> read_body();
  /// Nothing of the body is left to read. True together with the last piece where that can be known, so that
  /// it can be sent on with the end of the message in one write.
  bool body_done() const { return body_done_; }
  /// Those of a chunked body, once body_done().
  const message::Headers& trailers() const { return chunks_.trailers(); }
  /// Of the message whose head was read last.
  const Framing& framing() const { return framing_; }

  /// Bytes that have arrived behind what was read: pipelined messages, or those of a tunnel after 101 or
  /// CONNECT.
  std::string_view buffered() const { return buffer_.data(); }
  /// Drops bytes of buffered() from the front.
  void consume(std::size_t size) { buffer_.consume(size); }
  /// Reads once more into the buffer, behind buffered(), for a caller who watches a connection while it reads
  /// no message: bytes read, 0 at the peer's end, ENOBUFS if the buffer is full.
  runtime::Task<runtime::IoResult<std::size_t>> read_ahead();
  /// Nothing is buffered, nothing has arrived and the peer has not closed: a kept-alive connection may be
  /// used again.
  bool is_quiet();

  /// Drops what has arrived and gives its memory back.
  void release() {
    buffer_.clear();
    buffer_.release_if_empty();
  }

  /// Any byte of the head that is awaited, or was read last, has arrived.
  bool has_begun() const { return begun_; }

 protected:
  /// Reads what is there: false if nothing is, and stream_->readable() will tell when. The peer's end is an
  /// error.
  ReadResult<bool> try_fill();
  /// Fills the buffer until `parse` gives the size of a whole head, which is consumed then.
  template <class Parse>
  std::optional<ReadResult<void>> try_parse(Parse parse);
  void begin_body(const Framing& framing);
  void attach_to(runtime::Stream& stream);

  runtime::Stream* stream_ = nullptr;
  Buffer buffer_;
  bool begun_ = false;
  bool in_head_ = false;

 private:
  ReadResult<std::string_view> take_body();
  ReadResult<std::string_view> take_chunks();

  Framing framing_;
  std::uint64_t remaining_ = 0;
  bool body_done_ = true;
  ChunkDecoder chunks_;
};

class RequestReader : public Reader {
 public:
  using Reader::Reader;
  /// Reads from that stream from now on, forgets all else and keeps its memory.
  void attach(runtime::Stream& stream) { attach_to(stream); }
  /// The next request's head, if it is there; nothing if more must arrive first: wait for the stream to
  /// become readable. The body of the request before must have been read to its end. While nothing has begun
  /// no buffer is held.
  std::optional<ReadResult<void>> try_head();
  /// The same, waiting for it.
  runtime::Task<ReadResult<void>> read_head();
  /// Valid until the next read_head(); may be changed in place.
  message::RequestHead& head() { return head_; }
  const message::RequestHead& head() const { return head_; }

 private:
  RequestParser parser_;
  message::RequestHead head_;
};

class ResponseReader : public Reader {
 public:
  using Reader::Reader;
  /// The next head that answers a request of `method`, as RequestReader::try_head; interim ones (1xx) come
  /// out too, each by its own call.
  std::optional<ReadResult<void>> try_head(message::Method method);
  /// The same, waiting for it.
  runtime::Task<ReadResult<void>> read_head(message::Method method);
  message::ResponseHead& head() { return head_; }
  const message::ResponseHead& head() const { return head_; }
  /// The connection may carry another request: the response was read to its end, keeps the connection alive,
  /// and nothing follows it.
  bool is_reusable() const;

 private:
  ResponseParser parser_;
  message::ResponseHead head_;
  bool keeps_alive_ = false;  // found out before the caller may change the head
};

}  // namespace weft::http::h1
