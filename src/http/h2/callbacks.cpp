// What nghttp2 calls: fills the streams' buffers and marks who has to be woken. None of it wakes anybody
// itself.
#include <algorithm>

#include "http/h2/fields.h"
#include "http/h2/session.h"
#include "message/syntax.h"

namespace weft::http::h2 {
namespace {

constexpr std::size_t frame_header_bytes = 9;  // RFC 9113, 4.1

std::string_view text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

StreamState* state_of(nghttp2_session* session, std::int32_t id) {
  return static_cast<StreamState*>(nghttp2_session_get_stream_user_data(session, id));
}

ReadError reset_error(std::uint32_t code, bool read_to_end) {
  using Kind = ReadError::Kind;
  if (code == NGHTTP2_REFUSED_STREAM) return {Kind::unprocessed, {}, {}};
  return {code == NGHTTP2_NO_ERROR && read_to_end ? Kind::closed : Kind::reset, {}, {}};
}

/// What nghttp2 itself has found to be malformed.
message::Refusal refusal_of(const StreamState& stream) {
  if (!stream.has_head) return message::Refusal::malformed_head;
  return stream.trailers.empty() ? message::Refusal::length_mismatch : message::Refusal::bad_trailer;
}

/// What this side resets a stream for that breaks the rules.
bool is_fault_of_peer(std::uint32_t code) {
  switch (code) {
    case NGHTTP2_NO_ERROR:
    case NGHTTP2_INTERNAL_ERROR:
    case NGHTTP2_REFUSED_STREAM:
    case NGHTTP2_CANCEL: return false;
    default: return true;
  }
}

/// Of a frame that this side sends: a client's request.
bool is_request_head(const nghttp2_frame* frame) {
  return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

}  // namespace

struct Callbacks {
  /// What a frame is worth, or costs: one that opens a stream, or carries some of a body, is what a
  /// connection is for. A stream that is given up has cost more than its frame.
  static void note_cost(Session& self, const nghttp2_frame* frame) {
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS: self.earn(); break;
      case NGHTTP2_DATA:
        if (frame->hd.length > frame->data.padlen) {
          self.earn();
        } else if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
          self.spend(1);
        }
        break;
      case NGHTTP2_RST_STREAM: self.spend(cost_of_reset); break;
      default: self.spend(1);
    }
  }

  /// One that breaks the rules for its stream, which nghttp2 resets.
  static int invalid_frame(nghttp2_session*, const nghttp2_frame*, int, void* user) {
    auto& self = *static_cast<Session*>(user);
    self.in_head_ = false;
    return 0;
  }

  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& self = *static_cast<Session*>(user);
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    self.in_head_ = true;
    ++self.heads_begun_;
    if (self.side_ == Session::Side::server && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      auto& stream = self.make_stream();
      stream.id = frame->hd.stream_id;
      stream.request.clear();
      stream.request.version = message::Version::http_2;
      nghttp2_session_set_stream_user_data(session, stream.id, &stream);
      self.hold_open(stream);
    } else if (auto* stream = state_of(session, frame->hd.stream_id)) {
      stream->head_bytes = 0;
      if (stream->has_head) return 0;
      if (stream->heads_complete == stream->heads.size()) stream->heads.emplace_back();
      stream->arriving().clear();
      stream->arriving().version = message::Version::http_2;
    }
    return 0;
  }

  static int header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                    void* user) {
    auto& self = *static_cast<Session*>(user);
    auto* stream = state_of(session, frame->hd.stream_id);
    if (!stream) return 0;
    if (stream->error) {
      self.spend(1);  // a few bytes may stand for much
      return 0;
    }
    const auto size = static_cast<std::uint32_t>(name_size + value_size + 32);
    stream->head_bytes += size;
    stream->heads_bytes += size;
    self.heads_bytes_ += size;
    if (stream->head_bytes > self.limits_.max_header_bytes || self.heads_bytes_ > max_heads_bytes) {
      self.refuse(*stream, message::Refusal::head_too_large, NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (stream->has_head) {
      stream->trailers.add(text(name, name_size), text(value, value_size));
    } else if (self.side_ == Session::Side::server) {
      take_field(stream->request, text(name, name_size), text(value, value_size));
    } else {
      take_field(stream->arriving(), text(name, name_size), text(value, value_size));
    }
    return 0;
  }

  /// A regular field with bytes that none may have: what nghttp2 says of it by itself is left to the version.
  static int invalid_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                            std::size_t name_size, const std::uint8_t*, std::size_t, std::uint8_t,
                            void* user) {
    auto* stream = state_of(session, frame->hd.stream_id);
    if (!stream) return 0;
    static_cast<Session*>(user)->refuse(*stream,
                                        message::is_token(text(name, name_size))
                                            ? message::Refusal::bad_field_value
                                            : message::Refusal::bad_field_name,
                                        NGHTTP2_PROTOCOL_ERROR);
    return 0;
  }

  static int frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& self = *static_cast<Session*>(user);
    self.in_head_ = false;
    note_cost(self, frame);
    if (frame->hd.type == NGHTTP2_GOAWAY) self.peer_goes_ = self.has_changed_ = true;
    if (frame->hd.type == NGHTTP2_SETTINGS) self.is_settled_ = self.has_changed_ = true;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 && self.is_notice_out_)
      self.go_away();
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    auto* stream = state_of(session, frame->hd.stream_id);
    if (!stream || stream->error) return 0;
    const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_HEADERS) self.take_head(*stream, is_end);
    if (is_end && !stream->error) stream->remote_ended = true;
    self.mark(*stream);
    return 0;
  }

  static int data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                  std::size_t size, void* user) {
    auto& self = *static_cast<Session*>(user);
    auto* stream = state_of(session, id);
    if (!stream || stream->released || stream->error) {
      nghttp2_session_consume(session, id, size);
      return 0;
    }
    stream->arrived.append(text(bytes, size));
    self.mark(*stream);
    return 0;
  }

  static int stream_closed(nghttp2_session* session, std::int32_t id, std::uint32_t code, void* user) {
    auto* stream = state_of(session, id);
    // One that could not be opened has been closed before.
    if (!stream || stream->closed) return 0;
    static_cast<Session*>(user)->close_stream(*stream, reset_error(code, stream->remote_ended));
    return 0;
  }

  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& self = *static_cast<Session*>(user);
    if (is_request_head(frame)) --self.heads_held_back_;
    if (frame->hd.type == NGHTTP2_RST_STREAM && is_fault_of_peer(frame->rst_stream.error_code))
      self.spend(cost_of_reset);
    auto* stream = state_of(session, frame->hd.stream_id);
    if (!stream) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) self.earn();
    if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code == NGHTTP2_PROTOCOL_ERROR &&
        !stream->error) {
      stream->error = ReadError{ReadError::Kind::refused, refusal_of(*stream), {}};
      self.offer_refused(*stream);
    }
    if (frame->hd.type == NGHTTP2_HEADERS) stream->head_sent = true;
    const bool may_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (!may_end || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    stream->end_sent = true;
    // The answer is complete and its owner gone: the rest of the request is not wanted (RFC 9113, 8.1).
    if (stream->released && !stream->remote_ended && self.side_ == Session::Side::server) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  /// A request that never left: the peer takes no more streams, or its owner has given it up.
  static int frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    auto& self = *static_cast<Session*>(user);
    if (!is_request_head(frame)) return 0;
    --self.heads_held_back_;
    const auto stream = std::ranges::find(self.open_, frame->hd.stream_id, &StreamState::id);
    if (stream != self.open_.end()) self.close_stream(*stream, {ReadError::Kind::unprocessed, {}, {}});
    return 0;
  }

  /// How much of what is to be written goes into the next frame: with send_data(), which follows at once, it
  /// is copied once, from the writer into what is written to the transport.
  static ssize_t body(nghttp2_session* session, std::int32_t id, std::uint8_t*, std::size_t most,
                      std::uint32_t* flags, nghttp2_data_source* source, void* user) {
    auto& self = *static_cast<Session*>(user);
    auto& stream = *static_cast<StreamState*>(source->ptr);
    if (!stream.is_writing) return NGHTTP2_ERR_DEFERRED;
    // Behind it there is room for whatever nghttp2 gives next.
    constexpr auto kept = frame_header_bytes + max_chunk;
    if (self.unwritten_.room() <= kept) return NGHTTP2_ERR_PAUSE;
    const auto size = std::min({most, stream.piece.size(), self.unwritten_.room() - kept});
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream.last && size == stream.piece.size()) {
      stream.finished = true;
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (stream.own_trailers != nullptr && !stream.own_trailers->empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        Session::fields.set(*stream.own_trailers);
        nghttp2_submit_trailer(session, id, Session::fields.data(), Session::fields.size());
      }
    }
    if (size == 0) self.sent(stream, 0);  // no frame need follow
    return static_cast<ssize_t>(size);
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* header, std::size_t size,
                       nghttp2_data_source* source, void* user) {
    auto& self = *static_cast<Session*>(user);
    auto& stream = *static_cast<StreamState*>(source->ptr);
    self.unwritten_.append(text(header, frame_header_bytes));
    self.unwritten_.append(stream.piece.substr(0, size));
    self.sent(stream, size);
    return 0;
  }
};

nghttp2_session_callbacks* session_callbacks() {
  static nghttp2_session_callbacks* const callbacks = [] {
    nghttp2_session_callbacks* made = nullptr;
    nghttp2_session_callbacks_new(&made);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, Callbacks::begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, Callbacks::header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(made, Callbacks::invalid_header);
    nghttp2_session_callbacks_set_send_data_callback(made, Callbacks::send_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, Callbacks::frame_received);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, Callbacks::invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, Callbacks::frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(made, Callbacks::frame_not_sent);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, Callbacks::data);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, Callbacks::stream_closed);
    return made;
  }();
  return callbacks;
}

nghttp2_data_provider body_of(StreamState& stream) {
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = Callbacks::body;
  return provider;
}

}  // namespace weft::http::h2
