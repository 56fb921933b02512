// What a peer may not do to a connection: be silent when it is asked, be slow with a head, or send without
// end what does nothing.
#include <algorithm>
#include <cerrno>
#include <chrono>

#include "http/h2/session.h"

namespace weft::http::h2 {
namespace {

/// What is added to the budget of frames that do nothing for any message. gRPC's clients send a PING and a
/// WINDOW_UPDATE for many of those that do.
constexpr int frames_earned_per_second = 100;
constexpr int frames_earned_by_message = 4;
/// For a peer to take the last bytes and close.
constexpr auto linger_limit = std::chrono::seconds(2);

}  // namespace

void Session::send_ping() {
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  ping_sent_ = reactor_.coarse_now();
  ping_timer_.set(ping_sent_ + limits_.ping_timeout);
  schedule();
}

void Session::on_ping_timer() {
  const auto now = reactor_.coarse_now();
  const bool waits = ping_sent_ != base::MonoTime{};
  if (is_notice_out_) go_away();  // whatever it says, that it has got the notice it does not
  if (waits && now >= ping_sent_ + limits_.ping_timeout) {
    die({ReadError::Kind::io, {}, {ETIMEDOUT}});
    return pump();
  }
  if (waits) {
    ping_timer_.set(ping_sent_ + limits_.ping_timeout);
  } else if (limits_.ping_interval == base::Duration::zero()) {
    return;
  } else if (open_.empty()) {
    ping_timer_.set(now + limits_.ping_interval);
  } else if (now >= heard_ + limits_.ping_interval) {
    send_ping();
  } else {
    ping_timer_.set(heard_ + limits_.ping_interval);
  }
}

void Session::linger() {
  lingers_ = true;
  transport_->shutdown_write();
  head_timer_.set(reactor_.coarse_now() + linger_limit);
}

void Session::on_head_timer() {
  die({ReadError::Kind::io, {}, {ETIMEDOUT}});
  pump();
}

void Session::watch_head() {
  if (lingers_ || (in_head_ ? head_timer_.is_set() && heads_timed_ == heads_begun_ : !head_timer_.is_set()))
    return;
  heads_timed_ = heads_begun_;
  head_timer_.cancel();
  if (in_head_ && limits_.head_timeout > base::Duration::zero())
    head_timer_.set(reactor_.coarse_now() + limits_.head_timeout);
}

void Session::spend(int cost) {
  budget_ -= cost;
  if (budget_ >= 0) return;
  const auto seconds = std::chrono::duration<double>(reactor_.coarse_now() - budget_at_).count();
  budget_at_ = reactor_.coarse_now();
  budget_ = static_cast<int>(std::min<double>(frame_budget, budget_ + seconds * frames_earned_per_second));
  if (budget_ < 0) nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

void Session::earn() { budget_ = std::min(budget_ + frames_earned_by_message, frame_budget); }

}  // namespace weft::http::h2
