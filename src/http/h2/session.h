// The engine of one HTTP/2 connection: moves bytes between the transport, nghttp2 and the streams.
//
// It is a state machine and no coroutine, so that whoever it wakes may destroy the connection: it keeps
// itself alive until it has left its own functions. Inside nghttp2's callbacks nobody is woken.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string_view>
#include <vector>

#include "base/intrusive_list.h"
#include "http/h2/arrivals.h"
#include "http/h2/connection.h"
#include "http/h2/fields.h"
#include "http/h2/frame_memory.h"
#include "http/h2/write_buffer.h"

namespace weft::http::h2 {

struct OpenStreams;
struct MarkedStreams;
struct QueuedStreams;

/// One stream. Its session has made it and takes it back once nobody holds it: neither its RequestStream, nor
/// nghttp2, nor the session itself, which is about to wake who waits for it.
struct StreamState : base::Link<OpenStreams>, base::Link<MarkedStreams>, base::Link<QueuedStreams> {
  std::int32_t id = -1;  // -1: a client's that has no head yet
  std::uint8_t holders = 0;

  // What arrives.
  message::RequestHead request;  // a client's: the method alone, for the response's length
  /// What try_head() gave last: none for a server's, nor for a client's that still waits.
  std::unique_ptr<message::ResponseHead> response;
  /// Heads of responses in the order of their arrival: those of `heads_taken` to `heads_complete` wait to be
  /// taken, the one behind them is arriving.
  std::vector<message::ResponseHead> heads;
  std::uint32_t heads_taken = 0;
  std::uint32_t heads_complete = 0;
  message::Headers trailers;
  message::Content content;
  /// The head that is arriving, counted as in RFC 9113, 6.5.2; and all of this stream's together.
  std::uint32_t head_bytes = 0;
  std::uint32_t heads_bytes = 0;
  /// A request's head, or the final one of a response: what follows are trailers.
  bool has_head = false;
  /// Who accepts streams has it, or will.
  bool is_offered = false;
  /// Bytes of another protocol follow the heads, both ways: CONNECT.
  bool is_tunnel = false;
  bool remote_ended = false;
  Arrivals arrived;

  // What is sent.
  std::string_view piece;
  const message::Headers* own_trailers = nullptr;
  /// Limits the waits of its writer; null: nothing does.
  runtime::Deadline* write_deadline = nullptr;
  base::Duration pause_limit{};
  std::uint64_t bytes_sent = 0;
  bool last = false;  // the end follows `piece`
  /// A writer waits until that has left.
  bool is_writing = false;
  bool head_sent = false;
  /// All of the message has been handed to nghttp2.
  bool finished = false;
  /// The frame with END_STREAM is on its way.
  bool end_sent = false;

  /// Nobody holds the RequestStream any more.
  bool released = false;
  bool closed = false;
  /// Waits in Session::starved_.
  bool starved = false;
  /// Once it is closed, or is going to be for a reason of this side's.
  std::optional<ReadError> error;

  runtime::Readiness readable;
  runtime::Readiness writable;

  /// The head that is arriving.
  message::ResponseHead& arriving() { return heads[heads_complete]; }
  /// Takes the next of `heads` into `response`.
  void take_response();
  void clear();
  /// Bytes of memory that it keeps.
  std::size_t capacity() const;
};

/// The most that nghttp2 gives at once: one frame of the size that every peer takes (RFC 9113, 4.2), with its
/// header and padding.
inline constexpr std::size_t max_chunk = 16 * 1024 + 10;

/// Frames (answers to PING, RST_STREAM, heads) that may wait to be sent before reading stops: a peer that
/// does not read is not read from.
inline constexpr std::size_t max_queued_frames = 1024;
/// Bytes of the heads and trailers of all open streams, counted as in RFC 9113, 6.5.2; the stream that
/// exceeds it is reset.
inline constexpr std::size_t max_heads_bytes = 8 * 1024 * 1024;
/// Frames that do nothing for any message: so many more than others may come at once.
inline constexpr int frame_budget = 10'000;
/// Bytes that are passed over for a peer to find out that nobody wants them; who sends more does not look.
inline constexpr std::uint32_t most_passed_over = 1024 * 1024;
/// What a stream costs of them that is given up, or that breaks the rules.
inline constexpr int cost_of_reset = 10;

class Session final : public runtime::LocalCounted {
 public:
  enum class Side : std::uint8_t { client, server };

  Session(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> transport, Side side, Limits limits);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  /// A client's stream, which is held for its RequestStream.
  ReadResult<StreamState*> open();
  /// The next stream that a client has opened, held so; null if there is none. `refused` too: one whose head
  /// was not accepted, and which has been reset.
  StreamState* accept(bool refused);
  void put_head(StreamState& stream, const message::RequestHead& head, const message::Content& content,
                const message::Patch& patch, std::string_view protocol);
  void put_head(StreamState& stream, const message::ResponseHead& head, const message::Content& content,
                const message::Patch& patch);
  /// Sends what of `piece` and the end the windows allow; the rest follows when they do.
  void begin_write(StreamState& stream, std::string_view piece, bool last, const message::Headers* trailers);
  /// The writer has gone: what he gave is no longer there.
  void drop_write(StreamState& stream);
  /// Whether it is this stream's turn to write; if not, it is woken when it is.
  bool has_room(StreamState& stream);
  /// `bytes` of the stream's body have been taken by their reader.
  void consumed(StreamState& stream, std::size_t bytes);
  void reset(StreamState& stream, ResetCode code);
  /// The RequestStream has gone.
  void release(StreamState& stream);
  /// Has those woken who wait for this stream.
  void mark(StreamState& stream);

  /// Bytes that came before it read by itself.
  void take(std::string_view received);
  void poll();
  void shut_down();
  /// The owner let go of the connection.
  void abandon();

  std::uint32_t max_streams() const;
  bool is_open() const { return !dead_ && !going_away_ && !peer_goes_; }
  bool is_dead() const { return dead_; }
  bool is_idle() const { return open_.empty(); }
  bool is_settled() const { return is_settled_; }
  bool may_extend_connect() const;
  const ReadError& error() const { return error_; }
  runtime::Readiness& changed() { return changed_; }

 private:
  friend struct Callbacks;

  void submit_settings();
  void on_readable();
  void on_writable();
  void on_ping_timer();
  void on_head_timer();
  void send_ping();
  void go_away();
  /// Ends the connection once the peer has closed, or has had time to: bytes of its that nobody has read
  /// would turn the close into a reset, which could overtake what it was sent.
  void linger();
  /// Sets the timer for what arrives now, or takes it back.
  void watch_head();
  /// Has pump() run soon, outside of whoever calls.
  void schedule();
  void pump();
  void receive();
  /// Gathers frames for a write; nothing is sent yet.
  void gather();
  /// Writes them, as far as the transport takes them.
  void flush();
  /// That, and ends the connection where nothing more is to come on it.
  void send();
  /// Wakes those for whom something has changed.
  void dispatch();
  /// What nghttp2 makes of bytes that have arrived.
  void parse(std::string_view bytes);
  /// A frame has come that does nothing for any message, as costly as so many PINGs. Who sends them without
  /// end is sent away.
  void spend(int cost);
  /// One that does has come, or has been sent.
  void earn();
  StreamState& make_stream();
  void hold_open(StreamState& stream);
  void let_go(StreamState& stream);
  void offer(StreamState& stream);
  /// Of a request whose head is not accepted: who accepts streams may want to know.
  void offer_refused(StreamState& stream);
  /// Resets a stream whose message is not accepted, and has its reader told why.
  void refuse(StreamState& stream, message::Refusal refusal, std::uint32_t code);
  /// A head or trailers are complete.
  void take_head(StreamState& stream, bool is_end);
  void take_request(StreamState& stream, bool is_end);
  void take_response(StreamState& stream, bool is_end);
  void take_trailers(StreamState& stream);
  /// Bytes of what is written on a stream have left.
  void sent(StreamState& stream, std::size_t bytes);
  /// Bytes of a body have left, or will not.
  void unqueued(std::size_t bytes);
  void wake_starved();
  void leave_starved(StreamState& stream);
  bool is_choked() const;
  void close_stream(StreamState& stream, const ReadError& error);
  void die(ReadError error);

  runtime::Reactor& reactor_;
  std::unique_ptr<runtime::Stream> transport_;
  Limits limits_;
  FrameMemory memory_;
  nghttp2_session* session_ = nullptr;
  /// Those that nghttp2 knows, or will.
  base::IntrusiveList<StreamState, OpenStreams> open_;
  base::IntrusiveList<StreamState, MarkedStreams> marked_;
  /// A server's that wait to be accepted; and those that have been, or are a client's, and wait for room.
  base::IntrusiveList<StreamState, QueuedStreams> offered_;
  base::IntrusiveList<StreamState, QueuedStreams> starved_;
  runtime::Readiness changed_;

  std::size_t unsent_ = 0;       // of what all streams' writers have given
  std::size_t heads_bytes_ = 0;  // of all open streams

  /// For what is handed over at once; of the thread, so that a connection at rest keeps none.
  inline static thread_local Fields fields;
  WriteBuffer unwritten_;
  const Side side_;
  bool can_read_ = true;
  bool can_write_ = true;
  bool pumping_ = false;
  bool again_ = false;
  bool dead_ = false;
  /// This side takes no more streams; the peer does not.
  bool going_away_ = false;
  bool peer_goes_ = false;
  /// All has been said: what comes until the peer has closed is passed over.
  bool lingers_ = false;
  /// A server has told so, and its peer has not yet answered.
  bool is_notice_out_ = false;
  bool is_settled_ = false;
  bool has_changed_ = false;
  /// A head is arriving, or the client's preface.
  bool in_head_ = false;
  /// Heads that have begun, and how many had when the timer was set.
  std::uint32_t heads_begun_ = 0;
  std::uint32_t heads_timed_ = 0;
  std::uint32_t passed_over_ = 0;
  int budget_ = frame_budget;
  base::MonoTime budget_at_;
  /// Requests that wait for the peer to take more streams: they are in nghttp2's queue, and no reason not to
  /// read what lets them out.
  std::uint32_t heads_held_back_ = 0;
  ReadError error_;

  base::MonoTime heard_;
  base::MonoTime ping_sent_{};  // the epoch: none is under way
  runtime::Hook<Session, &Session::on_readable> readable_hook_{*this};
  runtime::Hook<Session, &Session::on_writable> writable_hook_{*this};
  runtime::Hook<Session, &Session::pump> pump_hook_{*this};
  runtime::Hook<Session, &Session::on_ping_timer> ping_hook_{*this};
  runtime::Hook<Session, &Session::on_head_timer> head_hook_{*this};
  runtime::Soon pump_soon_;
  runtime::Timer ping_timer_;
  runtime::Timer head_timer_;
};

/// nghttp2's calls into the session (callbacks.cpp).
nghttp2_session_callbacks* session_callbacks();
/// Feeds a stream's body to nghttp2 (callbacks.cpp).
nghttp2_data_provider body_of(StreamState& stream);

}  // namespace weft::http::h2
