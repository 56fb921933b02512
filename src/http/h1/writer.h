// Messages written to a connection: a head waits for the first piece of its body, and both leave with one
// writev.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/h1/parse.h"
#include "http/h1/serialize.h"
#include "message/head.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::http::h1 {

/// One write at a time. A string_view given to a write must live until that has ended.
class Writer {
 public:
  explicit Writer(runtime::Stream& stream) : stream_(stream) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Queues a head (nothing is sent yet). The body that follows is framed as `framing` says; a message
  /// without a body needs only flush(). An interim response is queued before the final one.
  void put_head(const message::RequestHead& head, const Framing& framing);
  void put_head(const message::ResponseHead& head, const Framing& framing);

  /// Sends what is queued and `piece`, framed, in one writev; with `last` also the end of the body. EMSGSIZE,
  /// and nothing is sent, if a body by length would become longer than that, or would end shorter.
  runtime::Task<runtime::IoResult<void>> write(std::string_view piece, bool last = false);
  /// Ends the body, with trailers if it is chunked, and sends what is queued.
  runtime::Task<runtime::IoResult<void>> finish(const message::Headers* trailers = nullptr);
  /// Sends what is queued.
  runtime::Task<runtime::IoResult<void>> flush() { return send({}, {}); }

  /// The message whose head was put last has been written to its end.
  bool is_done() const { return done_; }
  /// Drops what is queued.
  void drop_queued() { queued_.clear(); }
  /// Bytes that the stream has taken so far, those of writes that failed midway included.
  std::uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  void begin(const Framing& framing);
  runtime::Task<runtime::IoResult<void>> send(std::string_view piece, std::string_view tail);

  runtime::Stream& stream_;
  std::string queued_;
  Framing framing_;
  std::uint64_t remaining_ = 0;  // of a body by length
  bool done_ = true;
  std::uint64_t bytes_sent_ = 0;
};

}  // namespace weft::http::h1
