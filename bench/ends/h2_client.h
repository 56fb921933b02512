// A client's connection of HTTP/2 that makes one kind of call again and again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "ends/frames.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::bench {

enum class Call : std::uint8_t {
  get,    // a GET, which is answered by a body
  unary,  // one message of gRPC there and one back
};

class H2Client {
 public:
  /// An answer has `body_bytes`.
  H2Client(std::unique_ptr<runtime::Stream> stream, Call call, std::size_t body_bytes)
      : frames_(std::move(stream), Frames::Side::client), call_(call), body_bytes_(body_bytes) {}

  /// Begins a call that counts from `since`; send() sends it.
  void ask(base::MonoTime since);
  bool send() { return frames_.send_now(); }
  runtime::Task<bool> more() { return frames_.more(); }
  /// Calls done(since) for each call that has been answered. False if one failed.
  template <class Done>
  bool take(Done done) {
    while (const auto frame = frames_.next()) {
      if (frame->type == FrameType::reset || frame->type == FrameType::go_away) return false;
      const auto call = std::ranges::find(calls_, frame->stream, &Under::stream);
      if (call == calls_.end() || !takes(*call, *frame)) return false;
      if (!frame->is_last()) continue;
      if (call->bytes != body_bytes_) return false;
      const auto since = call->since;
      *call = calls_.back();
      calls_.pop_back();
      done(since);
    }
    return true;
  }
  std::size_t under_way() const { return calls_.size(); }

 private:
  /// A call that has not been answered to its end.
  struct Under {
    std::uint32_t stream;
    base::MonoTime since;
    std::size_t bytes;
    bool has_head;
  };

  static bool takes(Under& call, const Frame& frame);

  Frames frames_;
  Call call_;
  std::size_t body_bytes_;
  std::uint32_t next_stream_ = 1;
  std::vector<Under> calls_;
};

}  // namespace weft::bench
