// What nghttp2 calls: fills the streams' buffers and marks who has to be woken. None of it wakes anybody
// itself.
#include <algorithm>
#include <cstring>

#include "http/h2/fields.h"
#include "http/h2/session.h"

namespace weft::http::h2 {
namespace {

constexpr int fail_stream = NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;

std::string_view text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

StreamState* state_of(nghttp2_session* session, std::int32_t id) {
  return static_cast<StreamState*>(nghttp2_session_get_stream_user_data(session, id));
}

H2Error reset_error(std::uint32_t code, bool read_to_end) {
  if (code == NGHTTP2_REFUSED_STREAM) return {H2ErrorKind::refused, "the peer refused the stream"};
  if (code == NGHTTP2_NO_ERROR && read_to_end) return {H2ErrorKind::closed, "the stream has ended"};
  return {H2ErrorKind::reset, std::string("the stream was reset: ") + nghttp2_http2_strerror(code)};
}

}  // namespace

struct Callbacks {
  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& self = *static_cast<Session*>(user);
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    if (self.side_ == Session::Side::server && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      auto stream = std::make_shared<StreamState>();
      stream->session = &self;
      stream->id = frame->hd.stream_id;
      stream->send_buffer = self.limits_.send_buffer;
      stream->request.version = message::Version::http_2;
      nghttp2_session_set_stream_user_data(session, stream->id, stream.get());
      self.streams_.emplace(stream->id, std::move(stream));
    } else if (auto* stream = state_of(session, frame->hd.stream_id)) {
      stream->head_bytes = 0;
      if (!stream->head_complete) {
        stream->response.clear();
        stream->response.version = message::Version::http_2;
      }
    }
    return 0;
  }

  static int header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                    void* user) {
    auto& self = *static_cast<Session*>(user);
    auto* stream = state_of(session, frame->hd.stream_id);
    if (!stream) return 0;
    stream->head_bytes += name_size + value_size + 32;
    stream->heads_bytes += name_size + value_size + 32;
    self.heads_bytes_ += name_size + value_size + 32;
    if (stream->head_bytes > self.limits_.max_header_bytes ||
        self.heads_bytes_ > self.limits_.max_heads_bytes)
      return fail_stream;
    if (stream->head_complete) {
      stream->trailers.add(text(name, name_size), text(value, value_size));
    } else if (self.side_ == Session::Side::server) {
      take_field(stream->request, text(name, name_size), text(value, value_size));
    } else {
      take_field(stream->response, text(name, name_size), text(value, value_size));
    }
    return 0;
  }

  static int frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& self = *static_cast<Session*>(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) self.going_away_ = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    auto* stream = state_of(session, frame->hd.stream_id);
    if (!stream) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !stream->head_complete) {
      if (self.side_ == Session::Side::server) {
        stream->head_complete = true;
        self.accepted_.push_back(self.streams_.at(stream->id));
      } else if (!stream->response.is_interim()) {
        stream->head_complete = true;
      }
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) stream->remote_ended = true;
    self.mark(*stream);
    return 0;
  }

  static int data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                  std::size_t size, void* user) {
    auto& self = *static_cast<Session*>(user);
    // Each stream's window bounds what waits here; the connection's must not let a slow stream stop the
    // others.
    nghttp2_session_consume_connection(session, size);
    auto* stream = state_of(session, id);
    if (!stream || stream->released) {
      nghttp2_session_consume_stream(session, id, size);
      return 0;
    }
    stream->incoming.append(text(bytes, size));
    self.mark(*stream);
    return 0;
  }

  static int stream_closed(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
    auto& self = *static_cast<Session*>(user);
    auto stream = self.streams_.find(id);
    if (stream != self.streams_.end()) self.close_stream(id, reset_error(code, stream->second->remote_ended));
    return 0;
  }

  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& self = *static_cast<Session*>(user);
    bool has_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (!has_end || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    auto* stream = state_of(session, frame->hd.stream_id);
    if (!stream) return 0;
    stream->end_sent = true;
    // The answer is complete and its owner gone: the rest of the request is not wanted (RFC 9113, 8.1).
    if (stream->released && !stream->remote_ended && self.side_ == Session::Side::server) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  static int frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    // A request that never left: the peer takes no more streams, or its owner has given it up.
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      auto& self = *static_cast<Session*>(user);
      self.close_stream(frame->hd.stream_id, {H2ErrorKind::refused, "the stream could not be opened"});
    }
    return 0;
  }

  static ssize_t body(nghttp2_session* session, std::int32_t id, std::uint8_t* into, std::size_t size,
                      std::uint32_t* flags, nghttp2_data_source* source, void* user) {
    auto& stream = *static_cast<StreamState*>(source->ptr);
    std::size_t taken = std::min(size, stream.unsent());
    std::memcpy(into, stream.outgoing.data() + stream.outgoing_sent, taken);
    stream.outgoing_sent += taken;
    static_cast<Session*>(user)->unqueued(taken);
    if (stream.unsent() == 0) {
      empty(stream.outgoing);
      stream.outgoing_sent = 0;
    }
    if (stream.finished && stream.unsent() == 0) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!stream.own_trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        auto fields = fields_of(stream.own_trailers);
        nghttp2_submit_trailer(session, id, fields.data(), fields.size());
      }
      return static_cast<ssize_t>(taken);
    }
    if (taken == 0) return NGHTTP2_ERR_DEFERRED;
    if (stream.unsent() < stream.send_buffer) static_cast<Session*>(user)->mark(stream);
    return static_cast<ssize_t>(taken);
  }
};

nghttp2_session_callbacks* session_callbacks() {
  static nghttp2_session_callbacks* const callbacks = [] {
    nghttp2_session_callbacks* made = nullptr;
    nghttp2_session_callbacks_new(&made);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, Callbacks::begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, Callbacks::header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, Callbacks::frame_received);
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
