// The other side of a connection that does what it is told, right or wrong: nghttp2 checks nothing of what it
// sends.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/stream.h"

namespace weft::http::h2 {

class Peer {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  Peer(std::unique_ptr<runtime::Stream> transport, bool is_client) : transport_(std::move(transport)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_http_messaging(option, 1);
    if (is_client) {
      nghttp2_session_client_new2(&session_, callbacks, this, option);
    } else {
      nghttp2_session_server_new2(&session_, callbacks, this, option);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    settings();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { nghttp2_session_del(session_); }

  /// Queues a head: of a new stream if `id` is -1. The stream's id.
  std::int32_t head(std::int32_t id, const Fields& fields, bool is_end) {
    std::vector<nghttp2_nv> values;
    for (const auto& [name, value] : fields) {
      const auto bytes = [](const std::string& text) {
        return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
      };
      values.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    const auto flags = is_end ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE;
    const auto made = nghttp2_submit_headers(session_, static_cast<std::uint8_t>(flags), id, nullptr,
                                             values.data(), values.size(), nullptr);
    return id < 0 ? made : id;
  }
  /// Queues a body of one frame, which ends the stream.
  void body(std::int32_t id, std::string bytes) {
    bodies_[id] = std::move(bytes);
    nghttp2_data_provider provider{};
    provider.source.ptr = &bodies_[id];
    provider.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t,
                                std::uint32_t* flags, nghttp2_data_source* source, void*) -> ssize_t {
      const auto& text = *static_cast<std::string*>(source->ptr);
      std::ranges::copy(text, into);
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<ssize_t>(text.size());
    };
    nghttp2_submit_data(session_, NGHTTP2_FLAG_END_STREAM, id, &provider);
  }
  void reset(std::int32_t id) { nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL); }
  /// What it may send on all streams now, as far as the other side has said.
  std::int32_t window() const { return nghttp2_session_get_remote_window_size(session_); }
  void go_away(std::int32_t last) {
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
  }

  void settings() { nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0); }

  /// Sends bytes as they are, before what is queued.
  void raw(std::string_view bytes) {
    // Write does not change what it points to.
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    (void)transport_->try_write({&part, 1});
  }

  /// Sends what is queued and takes what is there, until neither is.
  void turn() {
    const std::uint8_t* bytes = nullptr;
    for (ssize_t size = 0; (size = nghttp2_session_mem_send(session_, &bytes)) > 0;) {
      raw({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
    }
    take();
  }
  /// Takes what is there; what is to be said to it is queued.
  void take() {
    std::vector<char> buffer(65536);
    for (auto size = transport_->try_read(buffer); size && *size > 0; size = transport_->try_read(buffer)) {
      nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(buffer.data()), *size);
    }
  }

  /// The codes of the RST_STREAM frames that came, by stream.
  std::map<std::int32_t, std::uint32_t> resets;
  /// The streams that were opened, or answered.
  std::vector<std::int32_t> heads;
  /// The code of the GOAWAY that came, and the last stream that it lets through.
  std::optional<std::uint32_t> gone_away;
  std::int32_t last_stream = 0;

 private:
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& self = *static_cast<Peer*>(user);
    if (frame->hd.type == NGHTTP2_RST_STREAM)
      self.resets.emplace(frame->hd.stream_id, frame->rst_stream.error_code);
    if (frame->hd.type == NGHTTP2_HEADERS) self.heads.push_back(frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      self.gone_away = frame->goaway.error_code;
      self.last_stream = frame->goaway.last_stream_id;
    }
    return 0;
  }

  std::unique_ptr<runtime::Stream> transport_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, std::string> bodies_;
};

}  // namespace weft::http::h2
