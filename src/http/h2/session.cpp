#include "http/h2/session.h"

#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include "message/validate.h"

namespace weft::http::h2 {
namespace {

/// How long a client may take to say that it has got the notice of the end: many round trips.
constexpr base::Duration notice_limit = std::chrono::seconds(2);
constexpr std::size_t read_size = 16 * 1024;
/// Reads in one go before others get their turn.
constexpr int max_reads = 16;
/// Streams that a thread keeps for its next requests, as many as are under way at one moment on a busy one;
/// and the most that each may keep of memory for its heads.
constexpr std::size_t max_spare_streams = 256;
constexpr std::size_t max_spare_bytes = 8 * 1024;
thread_local std::vector<std::unique_ptr<StreamState>> spare_streams;

/// What a stream whose connection ended by `error` is told.
ReadError error_of_stream(const StreamState& stream, Session::Side side, ReadError error) {
  if (side == Session::Side::client && !stream.head_sent) return {ReadError::Kind::unprocessed, {}, {}};
  const bool has_begun = stream.has_head || stream.heads_complete > 0;
  if (error.kind == ReadError::Kind::closed && has_begun) error.kind = ReadError::Kind::truncated;
  return error;
}

}  // namespace

void StreamState::take_response() {
  if (!response) response = std::make_unique<message::ResponseHead>();
  std::swap(*response, heads[heads_taken++]);
  if (heads_taken < heads_complete) return;
  // The one that is arriving comes to the front.
  if (heads_complete < heads.size()) std::swap(heads.front(), arriving());
  heads_taken = heads_complete = 0;
}

void StreamState::clear() {
  id = -1;
  request.clear();
  if (response) response->clear();
  heads_taken = heads_complete = 0;
  trailers.clear();
  content = {};
  head_bytes = heads_bytes = 0;
  has_head = is_offered = is_tunnel = remote_ended = false;
  arrived.clear();
  piece = {};
  own_trailers = nullptr;
  write_deadline = nullptr;
  last = is_writing = head_sent = finished = end_sent = false;
  bytes_sent = 0;
  released = closed = starved = false;
  readable = writable = {};
  error.reset();
}

std::size_t StreamState::capacity() const {
  auto size = request.headers.capacity() + request.target.capacity() + trailers.capacity() +
              heads.capacity() * sizeof heads.front();
  if (response) size += response->headers.capacity();
  for (const auto& head : heads) size += head.headers.capacity();
  return size;
}

Session::Session(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> transport, Side side,
                 Limits limits)
    : reactor_(reactor),
      transport_(std::move(transport)),
      limits_(limits),
      side_(side),
      in_head_(side == Side::server),
      budget_at_(reactor.coarse_now()),
      heard_(reactor.coarse_now()),
      pump_soon_(reactor, pump_hook_),
      ping_timer_(reactor, ping_hook_),
      head_timer_(reactor, head_hook_) {
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  // Session::spend() has that limit, whose refill suits deadlines of calls.
  constexpr std::uint64_t never = 1U << 31U;
  nghttp2_option_set_stream_reset_rate_limit(option, never, never);
  // Else PRIORITY frames are ignored, invalid ones too (RFC 9113, 6.3).
  nghttp2_option_set_server_fallback_rfc7540_priorities(option, 1);
  const int made = memory_.make(session_, side == Side::client, session_callbacks(), this, option);
  nghttp2_option_del(option);
  if (made != 0) throw std::bad_alloc();
  submit_settings();
  if (side == Side::client) gather();  // nghttp2 has written its preface already
  if (limits_.ping_interval > base::Duration::zero()) ping_timer_.set(heard_ + limits_.ping_interval);
  schedule();
}

Session::~Session() {
  while (!marked_.empty()) let_go(marked_.pop_front());
  while (!offered_.empty()) let_go(offered_.pop_front());
  nghttp2_session_del(session_);
}

void Session::submit_settings() {
  const bool is_client = side_ == Side::client;
  // Only a client may speak of push (RFC 9113, 6.5.2), only a server of extended CONNECT (RFC 8441, 3).
  const std::array<nghttp2_settings_entry, 5> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.max_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits_.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits_.max_header_bytes},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
      {is_client ? NGHTTP2_SETTINGS_ENABLE_PUSH : NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL,
       is_client ? 0U : 1U},
  }};
  const std::size_t count =
      is_client || limits_.takes_extended_connect ? settings.size() : settings.size() - 1;
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), count);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<std::int32_t>(limits_.connection_window));
}

StreamState& Session::make_stream() {
  if (spare_streams.empty()) return *new StreamState;
  auto* stream = spare_streams.back().release();
  spare_streams.pop_back();
  return *stream;
}

void Session::hold_open(StreamState& stream) {
  ++stream.holders;
  open_.push_back(stream);
}

void Session::let_go(StreamState& stream) {
  if (--stream.holders > 0) return;
  // What nobody has read is given back to the connection's window.
  if (!stream.arrived.empty()) consumed(stream, stream.arrived.size());
  std::unique_ptr<StreamState> free(&stream);
  if (spare_streams.size() == max_spare_streams || stream.capacity() > max_spare_bytes) return;
  stream.clear();
  spare_streams.push_back(std::move(free));
}

ReadResult<StreamState*> Session::open() {
  if (dead_) return std::unexpected(error_);
  if (!is_open()) return std::unexpected(ReadError{ReadError::Kind::unprocessed, {}, {}});
  auto& stream = make_stream();
  ++stream.holders;
  return &stream;
}

StreamState* Session::accept(bool refused) {
  while (!offered_.empty()) {
    auto& stream = offered_.pop_front();
    if (!stream.error || (refused && !stream.has_head)) return &stream;
    let_go(stream);
  }
  return nullptr;
}

void Session::offer(StreamState& stream) {
  stream.is_offered = true;
  ++stream.holders;
  offered_.push_back(stream);
  has_changed_ = true;
}

void Session::offer_refused(StreamState& stream) {
  if (side_ == Side::server && !stream.has_head && !stream.is_offered) offer(stream);
}

void Session::put_head(StreamState& stream, const message::RequestHead& head, const message::Content& content,
                       const message::Patch& patch, std::string_view protocol) {
  if (stream.error) return;
  stream.is_tunnel = head.method == message::Method::connect || !protocol.empty();
  stream.request.method = stream.is_tunnel ? message::Method::connect : head.method;
  stream.finished = content.is_empty() && !stream.is_tunnel;
  if (is_open()) {
    fields.set(head, content, patch, protocol);
    const auto body = body_of(stream);
    stream.id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                                       stream.finished ? nullptr : &body, &stream);
  }
  if (stream.id < 0) {
    stream.closed = true;
    stream.error = error_of_stream(stream, side_, error_);
    return;
  }
  ++heads_held_back_;
  hold_open(stream);
  schedule();
}

void Session::put_head(StreamState& stream, const message::ResponseHead& head,
                       const message::Content& content, const message::Patch& patch) {
  if (stream.closed) return;
  fields.set(head, content, patch);
  if (head.is_interim()) {
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream.id, nullptr, fields.data(), fields.size(),
                           nullptr);
  } else {
    const bool opens_tunnel = stream.is_tunnel && (head.status == 101 || head.status / 100 == 2);
    stream.finished = content.is_empty() && !opens_tunnel;
    const auto body = body_of(stream);
    nghttp2_submit_response(session_, stream.id, fields.data(), fields.size(),
                            stream.finished ? nullptr : &body);
  }
  schedule();
}

void Session::begin_write(StreamState& stream, std::string_view piece, bool last,
                          const message::Headers* trailers) {
  if (!piece.empty() || last) {
    stream.piece = piece;
    stream.last = last;
    stream.own_trailers = trailers;
    stream.is_writing = true;
    unsent_ += piece.size();
    // An error only says that nothing was waiting for data.
    nghttp2_session_resume_data(session_, stream.id);
    gather();
  }
  schedule();
}

void Session::drop_write(StreamState& stream) {
  if (std::exchange(stream.is_writing, false)) unqueued(stream.piece.size());
  stream.piece = {};
  stream.own_trailers = nullptr;
}

bool Session::has_room(StreamState& stream) {
  const bool is_its_turn = stream.starved ? &starved_.front() == &stream : starved_.empty();
  if (is_its_turn && unsent_ < limits_.connection_send_buffer) {
    leave_starved(stream);
    // Who has his turn need not use it.
    wake_starved();
    return true;
  }
  if (!std::exchange(stream.starved, true)) starved_.push_back(stream);
  return false;
}

void Session::sent(StreamState& stream, std::size_t bytes) {
  stream.piece.remove_prefix(bytes);
  stream.bytes_sent += bytes;
  unqueued(bytes);
  if (!stream.piece.empty()) return;
  stream.is_writing = false;
  mark(stream);
}

void Session::unqueued(std::size_t bytes) {
  unsent_ -= bytes;
  wake_starved();
}

void Session::wake_starved() {
  if (starved_.empty() || unsent_ >= limits_.connection_send_buffer) return;
  mark(starved_.front());
  schedule();
}

void Session::leave_starved(StreamState& stream) {
  if (std::exchange(stream.starved, false)) starved_.erase(stream);
}

std::uint32_t Session::max_streams() const {
  return nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool Session::may_extend_connect() const {
  return nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

bool Session::is_choked() const {
  return nghttp2_session_get_outbound_queue_size(session_) >= max_queued_frames + heads_held_back_;
}

void Session::consumed(StreamState& stream, std::size_t bytes) {
  if (dead_) return;
  if (stream.closed) {
    nghttp2_session_consume_connection(session_, bytes);
  } else {
    nghttp2_session_consume(session_, stream.id, bytes);
  }
  if (nghttp2_session_want_write(session_)) schedule();
}

void Session::reset(StreamState& stream, ResetCode code) {
  if (stream.closed || stream.id < 0) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, static_cast<std::uint32_t>(code));
  schedule();
}

void Session::release(StreamState& stream) {
  stream.released = true;
  if (!stream.arrived.empty()) consumed(stream, stream.arrived.size());
  stream.arrived.clear();
  leave_starved(stream);
  wake_starved();
  if (!stream.error) {
    if (!stream.finished || (side_ == Side::client && !stream.remote_ended)) {
      reset(stream, ResetCode::cancel);
    } else if (stream.end_sent && !stream.remote_ended) {
      reset(stream, ResetCode::no_error);
    }
  }
  let_go(stream);
}

void Session::refuse(StreamState& stream, message::Refusal refusal, std::uint32_t code) {
  if (stream.error) return;
  stream.error = ReadError{ReadError::Kind::refused, refusal, {}};
  in_head_ = false;  // nghttp2 tells nothing more of it
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, code);
  offer_refused(stream);
  mark(stream);
}

void Session::take_head(StreamState& stream, bool is_end) {
  if (stream.has_head) {
    take_trailers(stream);
  } else if (side_ == Side::server) {
    take_request(stream, is_end);
  } else {
    take_response(stream, is_end);
  }
}

void Session::take_request(StreamState& stream, bool is_end) {
  auto& head = stream.request;
  join_cookies(head.headers);
  stream.is_tunnel = head.method == message::Method::connect;
  if (stream.is_tunnel && head.headers.has(message::FieldId::upgrade)) {
    // Extended CONNECT, told as HTTP/1.1 would (RFC 8441, 5).
    head.method = message::Method::get;
    head.headers.add(message::FieldId::connection, "upgrade");
  }
  if (limits_.is_local) head.headers.set(message::FieldId::host, "localhost");
  const auto length = message::validate(head);
  if (!length) return refuse(stream, length.error(), NGHTTP2_PROTOCOL_ERROR);
  stream.has_head = true;
  // That there is no content is known by the end of the stream alone: DATA in spite of a length of 0 must not
  // find that the request has gone on as a whole one.
  if (*length && (is_end || **length > 0)) {
    stream.content = message::Content::of_length(**length);
  } else if (!is_end && !stream.is_tunnel) {
    stream.content = message::Content::unknown();
  }
  offer(stream);
}

void Session::take_response(StreamState& stream, bool is_end) {
  const auto& head = stream.arriving();
  const auto length = message::validate(head);
  if (!length) return refuse(stream, length.error(), NGHTTP2_PROTOCOL_ERROR);
  ++stream.heads_complete;
  if (head.is_interim()) {
    // Of those that nobody has looked at.
    if (stream.heads_complete - stream.heads_taken > message::max_interim_responses)
      refuse(stream, message::Refusal::too_many_interims, NGHTTP2_ENHANCE_YOUR_CALM);
    return;
  }
  stream.has_head = true;
  if (stream.is_tunnel && head.status / 100 == 2) return;  // RFC 9110, 9.3.6: it has no content
  if (head.status == 204) return;
  if (stream.request.method == message::Method::head || head.status == 304) {
    stream.content.announced = *length;
  } else if (*length) {
    stream.content = message::Content::of_length(**length);
  } else if (!is_end) {
    stream.content = message::Content::unknown();
  }
}

void Session::take_trailers(StreamState& stream) {
  auto checked = message::check_trailers(stream.trailers);
  if (checked && stream.trailers.size() > message::max_fields)
    checked = std::unexpected(message::Refusal::too_many_fields);
  if (!checked) refuse(stream, checked.error(), NGHTTP2_PROTOCOL_ERROR);
}

void Session::shut_down() {
  if (dead_ || going_away_) return;
  going_away_ = true;
  if (side_ == Side::server) {
    // The answer to the PING says that all that was sent before the notice has come.
    is_notice_out_ = true;
    nghttp2_submit_shutdown_notice(session_);
    send_ping();
    ping_timer_.set(ping_sent_ + std::min(limits_.ping_timeout, notice_limit));
  } else {
    go_away();
  }
}

void Session::go_away() {
  is_notice_out_ = false;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  schedule();
}

void Session::poll() {
  if (!dead_) transport_->catch_up();
  can_read_ = true;
  pump();
}

void Session::take(std::string_view received) {
  if (!received.empty()) parse(received);
}

void Session::abandon() {
  if (dead_) return;
  flush();
  nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
  flush();
  die({ReadError::Kind::io, {}, {ECANCELED}});
  transport_.reset();
  // Those who wait are woken outside of whatever destroys the connection: each of them holds the session.
  pump_soon_.set();
}

void Session::on_readable() {
  can_read_ = true;
  pump();
}

void Session::on_writable() {
  can_write_ = true;
  pump();
}

void Session::schedule() {
  if (pumping_) {
    again_ = true;
  } else {
    pump_soon_.set();
  }
}

void Session::pump() {
  if (pumping_) {
    again_ = true;
    return;
  }
  const runtime::LocalPtr<Session> self(this);
  pumping_ = true;
  do {
    again_ = false;
    receive();
    watch_head();
    dispatch();
    send();
    dispatch();
  } while (again_ && !dead_);
  pumping_ = false;
  // Others get their turn first.
  if (!dead_ && can_read_ && !is_choked()) pump_soon_.set();
  if (dead_) transport_.reset();
}

void Session::receive() {
  std::array<char, read_size> buffer;
  for (int reads = 0; !dead_ && can_read_ && reads < max_reads && !is_choked(); ++reads) {
    auto size = transport_->try_read(buffer);
    if (!size && size.error().would_block()) {
      can_read_ = false;
      transport_->readable().wait(readable_hook_);
      return;
    }
    if (!size) return die({ReadError::Kind::io, {}, size.error()});
    if (*size == 0) return die({ReadError::Kind::closed, {}, {}});
    heard_ = reactor_.coarse_now();
    ping_sent_ = {};
    if (lingers_) {
      passed_over_ += static_cast<std::uint32_t>(*size);
      if (passed_over_ > most_passed_over) return die({ReadError::Kind::closed, {}, {}});
      continue;
    }
    parse({buffer.data(), *size});
  }
}

void Session::parse(std::string_view bytes) {
  const auto taken =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0) die({ReadError::Kind::io, {}, {EPROTO}});
}

void Session::gather() {
  while (!dead_ && unwritten_.room() >= max_chunk) {
    const std::uint8_t* bytes = nullptr;
    const auto size = nghttp2_session_mem_send(session_, &bytes);
    if (size == 0) return;
    if (size < 0 || static_cast<std::size_t>(size) > unwritten_.room())
      return die({ReadError::Kind::io, {}, {EPROTO}});
    unwritten_.append({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
  }
}

void Session::flush() {
  while (!dead_ && can_write_) {
    gather();
    if (dead_ || unwritten_.empty()) break;
    const auto data = unwritten_.data();
    // Write does not change what it points to.
    const iovec part{const_cast<char*>(data.data()), data.size()};
    const auto size = transport_->try_write({&part, 1});
    if (!size && size.error().would_block()) {
      can_write_ = false;
      transport_->writable().wait(writable_hook_);
      return;
    }
    if (!size) return die({ReadError::Kind::io, {}, size.error()});
    unwritten_.consume(*size);
  }
}

void Session::send() {
  flush();
  if (dead_ || lingers_ || !can_write_ || nghttp2_session_want_read(session_) ||
      nghttp2_session_want_write(session_)) {
    return;
  }
  if (side_ == Side::server) {
    linger();
  } else {
    die({ReadError::Kind::closed, {}, {}});
  }
}

void Session::dispatch() {
  // First who lends streams: nobody who is woken shall be lent one of a connection that has ended.
  if (std::exchange(has_changed_, false) || dead_) changed_.notify();
  // Those who are woken may mark others, which have their turn next time.
  for (auto waking = std::move(marked_); !waking.empty();) {
    auto& stream = waking.pop_front();
    stream.readable.notify();
    stream.writable.notify();
    let_go(stream);
  }
}

void Session::mark(StreamState& stream) {
  if (marked_.is_linked(stream)) return;
  ++stream.holders;
  marked_.push_back(stream);
}

void Session::close_stream(StreamState& stream, const ReadError& error) {
  open_.erase(stream);
  heads_bytes_ -= stream.heads_bytes;
  leave_starved(stream);
  if (std::exchange(stream.is_writing, false)) unqueued(stream.piece.size());
  stream.closed = true;
  if (!stream.error) stream.error = error;
  mark(stream);
  let_go(stream);
}

void Session::die(ReadError error) {
  if (dead_) return;
  dead_ = true;
  error_ = error;
  ping_timer_.cancel();
  head_timer_.cancel();
  while (!open_.empty()) close_stream(open_.front(), error_of_stream(open_.front(), side_, error_));
}

}  // namespace weft::http::h2
