#include "http/h2/session.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "http/h2/fields.h"

namespace weft::http::h2 {
namespace {

constexpr std::size_t read_size = 16 * 1024;
/// Reads in one go before others get their turn.
constexpr int max_reads = 16;
/// Bytes of frames that are gathered for one write.
constexpr std::size_t write_size = 64 * 1024;
/// The connection's own window: it only has to cover what is on its way, for it is given back at once.
constexpr std::int32_t connection_window = 4 * 1024 * 1024;

}  // namespace

Session::Session(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> transport, Side side,
                 Limits limits)
    : reactor_(reactor),
      transport_(std::move(transport)),
      side_(side),
      limits_(limits),
      heard_(reactor.clock().now()),
      pump_soon_(reactor, pump_hook_),
      ping_timer_(reactor, ping_hook_) {
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  int made = side == Side::client ? nghttp2_session_client_new2(&session_, session_callbacks(), this, option)
                                  : nghttp2_session_server_new2(&session_, session_callbacks(), this, option);
  nghttp2_option_del(option);
  if (made != 0) throw std::bad_alloc();
  submit_settings();
  if (limits_.ping_interval > base::Duration::zero()) ping_timer_.set(heard_ + limits_.ping_interval);
  schedule();
}

Session::~Session() { nghttp2_session_del(session_); }

void Session::submit_settings() {
  std::array<nghttp2_settings_entry, 4> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.max_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits_.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits_.max_header_bytes},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
  }};
  // Only a client may speak of push (RFC 9113, 6.5.2).
  std::size_t count = side_ == Side::client ? settings.size() : settings.size() - 1;
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), count);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, connection_window);
}

H2Result<std::shared_ptr<StreamState>> Session::open(const message::RequestHead& head, bool end_stream) {
  if (dead_) return std::unexpected(error_);
  if (going_away_) return base::fail(H2ErrorKind::refused, "the peer is going away");
  auto stream = std::make_shared<StreamState>();
  stream->session = this;
  stream->send_buffer = limits_.send_buffer;
  stream->finished = end_stream;
  auto fields = fields_of(head);
  auto body = body_of(*stream);
  stream->id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                                      end_stream ? nullptr : &body, stream.get());
  if (stream->id < 0) return base::fail(H2ErrorKind::refused, nghttp2_strerror(stream->id));
  streams_.emplace(stream->id, stream);
  schedule();
  return stream;
}

void Session::respond(StreamState& stream, const message::ResponseHead& head, bool end_stream) {
  std::string status;
  auto fields = fields_of(head, status);
  auto body = body_of(stream);
  stream.finished = end_stream;
  nghttp2_submit_response(session_, stream.id, fields.data(), fields.size(), end_stream ? nullptr : &body);
  schedule();
}

void Session::resume(StreamState& stream) {
  // An error only says that nothing was waiting for data.
  nghttp2_session_resume_data(session_, stream.id);
  schedule();
}

bool Session::has_room(StreamState& stream) {
  const bool is_its_turn = stream.starved ? starved_.front() == &stream : starved_.empty();
  if (is_its_turn && unsent_ < limits_.connection_send_buffer) {
    leave_starved(stream);
    // Who has his turn need not use it.
    wake_starved();
    return true;
  }
  if (!std::exchange(stream.starved, true)) starved_.push_back(&stream);
  return false;
}

void Session::queued(std::size_t bytes) {
  unsent_ += bytes;
  wake_starved();
}

void Session::unqueued(std::size_t bytes) {
  unsent_ -= bytes;
  wake_starved();
}

void Session::wake_starved() {
  if (starved_.empty() || unsent_ >= limits_.connection_send_buffer) return;
  mark(*starved_.front());
  schedule();
}

void Session::leave_starved(StreamState& stream) {
  if (std::exchange(stream.starved, false)) std::erase(starved_, &stream);
}

bool Session::is_choked() const {
  return nghttp2_session_get_outbound_queue_size(session_) >= limits_.max_queued_frames;
}

void Session::consumed(StreamState& stream, std::size_t bytes) {
  nghttp2_session_consume_stream(session_, stream.id, bytes);
  if (nghttp2_session_want_write(session_)) schedule();
}

void Session::reset(StreamState& stream, std::uint32_t code) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, code);
  schedule();
}

void Session::released(StreamState& stream) {
  stream.released = true;
  leave_starved(stream);
  wake_starved();
  if (stream.finished && stream.remote_ended) return;
  if (!stream.finished || side_ == Side::client) {
    reset(stream, NGHTTP2_CANCEL);
  } else if (stream.end_sent) {
    reset(stream, NGHTTP2_NO_ERROR);
  }
}

void Session::shut_down() {
  if (dead_) return;
  going_away_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  schedule();
}

void Session::abandon() {
  if (dead_) return;
  send();
  nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
  send();
  die({H2ErrorKind::closed, "the connection was closed on this side"});
  pump_soon_.cancel();
  transport_.reset();
  // Those who wait are woken outside of whatever destroys the connection; who is gone by then is no longer
  // registered, and who waits for the session itself holds it.
  reactor_.post([self = weak_from_this(), changed = std::exchange(changed_, {})] {
    for (const auto& stream : changed) {
      stream->readable.notify();
      stream->writable.notify();
    }
    if (auto session = self.lock()) {
      session->acceptable_.notify();
      session->ended_.set();
    }
  });
}

void Session::on_readable() {
  can_read_ = true;
  pump();
}

void Session::on_writable() {
  can_write_ = true;
  pump();
}

void Session::on_ping_timer() {
  auto now = reactor_.clock().now();
  bool waits = ping_sent_ != base::MonoTime{};
  if (waits && now >= ping_sent_ + limits_.ping_timeout) {
    die({H2ErrorKind::timeout, "the peer did not answer a ping"});
    return pump();
  }
  if (!waits && now >= heard_ + limits_.ping_interval) {
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    ping_sent_ = now;
    schedule();
  }
  ping_timer_.set(ping_sent_ != base::MonoTime{} ? ping_sent_ + limits_.ping_timeout
                                                 : heard_ + limits_.ping_interval);
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
  auto self = shared_from_this();
  pumping_ = true;
  do {
    again_ = false;
    receive();
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
    if (!size) return die({H2ErrorKind::closed, size.error().message()});
    if (*size == 0) return die({H2ErrorKind::closed, "the peer closed the connection"});
    heard_ = reactor_.clock().now();
    ping_sent_ = {};
    auto taken =
        nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(buffer.data()), *size);
    if (taken < 0) return die({H2ErrorKind::protocol, nghttp2_strerror(static_cast<int>(taken))});
  }
}

void Session::send() {
  while (!dead_ && can_write_) {
    while (unwritten_.size() < write_size) {
      const std::uint8_t* bytes = nullptr;
      auto size = nghttp2_session_mem_send(session_, &bytes);
      if (size < 0) return die({H2ErrorKind::protocol, nghttp2_strerror(static_cast<int>(size))});
      if (size == 0) break;
      unwritten_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    }
    if (unwritten_from_ == unwritten_.size()) break;
    iovec part{unwritten_.data() + unwritten_from_, unwritten_.size() - unwritten_from_};
    auto size = transport_->try_write({&part, 1});
    if (!size && size.error().would_block()) {
      can_write_ = false;
      transport_->writable().wait(writable_hook_);
      return;
    }
    if (!size) return die({H2ErrorKind::closed, size.error().message()});
    unwritten_from_ += *size;
    if (unwritten_from_ == unwritten_.size()) {
      empty(unwritten_);
      unwritten_from_ = 0;
    }
  }
  if (!dead_ && can_write_ && !nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_)) {
    die({H2ErrorKind::closed, "the connection has ended"});
  }
}

void Session::dispatch() {
  for (const auto& stream : std::exchange(changed_, {})) {
    stream->queued = false;
    stream->readable.notify();
    stream->writable.notify();
  }
  if (!accepted_.empty() || dead_) acceptable_.notify();
  if (dead_) ended_.set();
}

void Session::mark(StreamState& stream) {
  if (stream.queued) return;
  stream.queued = true;
  changed_.push_back(stream.shared_from_this());
}

void Session::close_stream(std::int32_t id, H2Error error) {
  auto found = streams_.find(id);
  if (found == streams_.end()) return;
  auto stream = std::move(found->second);
  streams_.erase(found);
  heads_bytes_ -= stream->heads_bytes;
  leave_starved(*stream);
  unqueued(stream->unsent());
  stream->session = nullptr;
  stream->closed = true;
  stream->error = std::move(error);
  mark(*stream);
}

void Session::die(H2Error error) {
  if (dead_) return;
  dead_ = true;
  error_ = std::move(error);
  ping_timer_.cancel();
  while (!streams_.empty()) close_stream(streams_.begin()->first, error_);
}

}  // namespace weft::http::h2
