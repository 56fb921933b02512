// Messages written to a connection: a head waits for the first piece of its body, and both leave with one
// writev.
#pragma once

#include <array>
#include <cerrno>
#include <coroutine>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "http/h1/parse.h"
#include "http/h1/serialize.h"
#include "message/head.h"
#include "runtime/stream.h"

namespace weft::http::h1 {

/// One write at a time. A string_view given to a write must live until that has ended.
class Writer {
 public:
  /// `co_await` it: a write on its way. Allocates nothing.
  class Sending {
   public:
    Sending(Writer& writer, runtime::IoError refused) : writer_(writer), refused_(refused) {}
    bool await_ready() { return refused_.code != 0 || write_.await_ready(); }
    void await_suspend(std::coroutine_handle<> handle) {
      has_waited_ = true;
      if (writer_.deadline_ != nullptr) write_.limit_pauses(*writer_.deadline_, writer_.pause_limit_);
      write_.await_suspend(handle);
    }
    runtime::IoResult<void> await_resume();

   private:
    Writer& writer_;
    runtime::IoError refused_;
    runtime::Write write_{*writer_.stream_, std::span(writer_.parts_).first(writer_.part_count_)};
    bool has_waited_ = false;
  };

  Writer() = default;
  explicit Writer(runtime::Stream& stream) : stream_(&stream) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  /// Writes to that stream from now on, forgets all else and keeps its memory.
  void attach(runtime::Stream& stream);

  /// A write that must wait for the peer waits at most for `limit` while that takes nothing, by `deadline`,
  /// which belongs to the stream.
  void limit_pauses(runtime::Deadline& deadline, base::Duration limit) {
    deadline_ = &deadline;
    pause_limit_ = limit;
  }

  /// Queues a head (nothing is sent yet). The body that follows is framed as `framing` says; a message
  /// without a body needs only flush(). An interim response is queued before the final one.
  void put_head(const message::RequestHead& head, const Framing& framing, const message::Patch& patch = {});
  void put_head(const message::ResponseHead& head, const Framing& framing, const message::Patch& patch = {});

  /// Sends what is queued and `piece`, framed, in one writev; with `last` also the end of the body, with
  /// `trailers` if it is chunked. EMSGSIZE, and nothing is sent, if a body by length would become longer than
  /// that, or would end shorter.
  Sending write(std::string_view piece, bool last = false, const message::Headers* trailers = nullptr);
  /// Sends what is queued.
  Sending flush() { return send({}, {}); }

  /// The message whose head was put last has been written to its end.
  bool is_done() const { return done_; }
  /// Drops what is queued.
  void drop_queued() { queued_.clear(); }
  /// Bytes that the stream has taken so far, those of writes that failed midway included.
  std::uint64_t bytes_sent() const { return bytes_sent_; }
  /// Bytes of memory that it keeps.
  std::size_t capacity() const { return queued_.capacity(); }

 private:
  void begin(const Framing& framing);
  Sending send(std::string_view piece, std::string_view tail);
  Sending refuse() { return {*this, {EMSGSIZE}}; }

  runtime::Stream* stream_ = nullptr;
  runtime::Deadline* deadline_ = nullptr;
  base::Duration pause_limit_{};
  /// Heads and chunk sizes that wait for what follows them.
  std::string queued_;
  /// The end of a chunked body with trailers.
  std::string end_;
  std::array<iovec, 3> parts_{};
  std::size_t part_count_ = 0;  // the last of them is not empty, or the only one
  Framing framing_;
  std::uint64_t remaining_ = 0;  // of a body by length
  std::uint64_t sending_ = 0;    // bytes of the write that is under way
  std::uint64_t bytes_sent_ = 0;
  bool done_ = true;
};

}  // namespace weft::http::h1
