// The engine of one HTTP/2 connection: moves bytes between the transport, nghttp2 and the streams' buffers.
//
// It is a state machine and no coroutine, so that whoever it wakes may destroy the connection: it keeps
// itself alive until it has left its own functions. Inside nghttp2's callbacks nobody is woken.
#pragma once

#include <nghttp2/nghttp2.h>

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http/h2/connection.h"
#include "runtime/combine.h"

namespace weft::http::h2 {

struct StreamState : std::enable_shared_from_this<StreamState> {
  /// Null once the connection has ended or this stream has been closed.
  Session* session = nullptr;
  std::int32_t id = -1;
  message::RequestHead request;
  message::ResponseHead response;
  message::Headers trailers;
  bool head_complete = false;
  /// The head that is arriving, counted as in RFC 9113, 6.5.2; and all of this stream's together.
  std::size_t head_bytes = 0;
  std::size_t heads_bytes = 0;

  std::string incoming;
  bool remote_ended = false;

  std::string outgoing;
  std::size_t outgoing_sent = 0;
  std::size_t send_buffer = 0;
  message::Headers own_trailers;
  bool finished = false;
  /// The frame with END_STREAM is on its way.
  bool end_sent = false;

  /// Nobody holds the Stream any more.
  bool released = false;
  bool closed = false;
  bool queued = false;
  /// Waits in Session::starved_.
  bool starved = false;
  H2Error error{H2ErrorKind::closed, {}};

  runtime::Readiness readable;
  runtime::Readiness writable;

  std::size_t unsent() const { return outgoing.size() - outgoing_sent; }
};

/// Empties a buffer; its memory is kept only where that is little, for an idle stream shall cost little.
inline void empty(std::string& buffer) {
  constexpr std::size_t kept = 4096;
  if (buffer.capacity() > kept) {
    buffer = {};
  } else {
    buffer.clear();
  }
}

class Session final : public std::enable_shared_from_this<Session> {
 public:
  enum class Side : std::uint8_t { client, server };

  Session(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> transport, Side side, Limits limits);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  H2Result<std::shared_ptr<StreamState>> open(const message::RequestHead& head, bool end_stream);
  void respond(StreamState& stream, const message::ResponseHead& head, bool end_stream);
  /// There is more to send on this stream.
  void resume(StreamState& stream);
  /// Whether it is this stream's turn to write; if not, it is woken when it is.
  bool has_room(StreamState& stream);
  /// `bytes` are added to what a stream has to send.
  void queued(std::size_t bytes);
  /// `bytes` of the stream's body have been read by their owner.
  void consumed(StreamState& stream, std::size_t bytes);
  void reset(StreamState& stream, std::uint32_t code);
  /// The owner let go of the stream while `stream` is still open.
  void released(StreamState& stream);

  void shut_down();
  /// The owner let go of the connection.
  void abandon();

  bool is_open() const { return !dead_ && !going_away_; }
  bool is_dead() const { return dead_; }
  const H2Error& error() const { return error_; }
  std::deque<std::shared_ptr<StreamState>>& accepted() { return accepted_; }
  runtime::Readiness& acceptable() { return acceptable_; }
  runtime::Event& ended() { return ended_; }

 private:
  friend struct Callbacks;

  class Hook final : public runtime::Waiter {
   public:
    Hook(Session& session, void (Session::*action)()) : session_(session), action_(action) {}
    void wake() override { (session_.*action_)(); }

   private:
    Session& session_;
    void (Session::*action_)();
  };

  void submit_settings();
  void on_readable();
  void on_writable();
  void on_ping_timer();
  /// Has pump() run soon, outside of whoever calls.
  void schedule();
  void pump();
  void receive();
  void send();
  /// Wakes those for whom something has changed.
  void dispatch();
  void mark(StreamState& stream);
  /// Bytes of a body have been sent, or will not be.
  void unqueued(std::size_t bytes);
  void wake_starved();
  void leave_starved(StreamState& stream);
  bool is_choked() const;
  void close_stream(std::int32_t id, H2Error error);
  void die(H2Error error);

  runtime::Reactor& reactor_;
  std::unique_ptr<runtime::Stream> transport_;
  Side side_;
  Limits limits_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<std::int32_t, std::shared_ptr<StreamState>> streams_;
  std::vector<std::shared_ptr<StreamState>> changed_;
  std::deque<std::shared_ptr<StreamState>> accepted_;
  runtime::Readiness acceptable_;
  runtime::Event ended_;

  std::size_t unsent_ = 0;       // of all streams' bodies
  std::size_t heads_bytes_ = 0;  // of all open streams
  std::deque<StreamState*> starved_;

  std::string unwritten_;
  std::size_t unwritten_from_ = 0;
  bool can_read_ = true;
  bool can_write_ = true;
  bool pumping_ = false;
  bool again_ = false;
  bool dead_ = false;
  bool going_away_ = false;
  H2Error error_{H2ErrorKind::closed, {}};

  base::MonoTime heard_;
  base::MonoTime ping_sent_{};  // the epoch: none is under way
  Hook readable_hook_{*this, &Session::on_readable};
  Hook writable_hook_{*this, &Session::on_writable};
  Hook pump_hook_{*this, &Session::pump};
  Hook ping_hook_{*this, &Session::on_ping_timer};
  runtime::Soon pump_soon_;
  runtime::Timer ping_timer_;
};

/// nghttp2's calls into the session (callbacks.cpp).
nghttp2_session_callbacks* session_callbacks();
/// Feeds a stream's body to nghttp2 (callbacks.cpp).
nghttp2_data_provider body_of(StreamState& stream);

}  // namespace weft::http::h2
