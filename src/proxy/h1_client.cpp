#include "proxy/h1_client.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "http/h1/limits.h"
#include "http/h1/linger.h"
#include "proxy/h1_session.h"
#include "proxy/serve.h"
#include "proxy/worker.h"
#include "runtime/combine.h"

namespace weft::proxy {
namespace {

/// For a client to take the last answer and close.
constexpr auto linger_limit = std::chrono::seconds(2);

}  // namespace

void Codec::attach(runtime::Stream& stream, base::Duration pause_limit) {
  reader.attach(stream);
  writer.attach(stream);
  read_deadline.attach(stream);
  write_deadline.attach(stream);
  writer.limit_pauses(write_deadline, pause_limit);
}

void Codec::detach() {
  reader.release();
  read_deadline.clear();
  write_deadline.clear();
}

bool Codec::is_bloated() const {
  return reader.head().headers.capacity() + writer.capacity() + request_patch.capacity() +
             response_patch.capacity() >
         http::h1::receive_buffer_bytes;
}

H1Client::H1Client(Worker& owner, LocalPtr<ListenerState> from, std::unique_ptr<runtime::Stream> connection,
                   Peer caller)
    : ClientConnection(owner, std::move(from), connection->peer(), std::move(caller)),
      stream_(std::move(connection)),
      place_(owner.clients_.insert(owner.clients_.end(), this)) {}

H1Client::~H1Client() {
  if (codec_) worker.give_codec(std::move(codec_));
  worker.clients_.erase(place_);
}

void H1Client::wait_for(base::Duration limit) {
  // Longer than a machine runs: one that waits is known by its time.
  constexpr auto no_limit = std::chrono::years(10);
  wait_until_ = worker.reactor.coarse_now() + (limit > base::Duration::zero() ? limit : no_limit);
  worker.sweep_by(wait_until_);
}

base::MonoTime H1Client::close_if_late() {
  const auto until = wait_until_;
  if (until > worker.reactor.coarse_now()) return until;
  stream_->fail({ETIMEDOUT});  // may be the end of this
  return base::MonoTime::max();
}

void H1Client::close_if_idle() {
  if (wait_until_ != base::MonoTime::max() && !has_begun()) stream_->fail({ECANCELED});
}

void H1Client::hurry_if_idle(base::Duration limit) {
  if (wait_until_ == base::MonoTime::max() || has_begun()) return;
  wait_until_ = std::min<base::MonoTime>(wait_until_, worker.reactor.coarse_now() + limit);
  worker.sweep_by(wait_until_);
}

base::Duration H1Client::idle_limit() const {
  const auto& config = *listener->config;
  const auto limit = config.idle_timeout.value_or(worker.limits().idle_timeout);
  if (!config.drain) return limit;
  const auto most = worker.limits().drain_idle_timeout;
  return limit > base::Duration::zero() ? std::min(limit, most) : most;
}

std::optional<http::ReadResult<void>> H1Client::try_head() {
  if (!codec_) codec_ = worker.take_codec(*stream_);
  auto head = codec_->reader.try_head();
  if (!head && !has_begun()) worker.give_codec(std::move(codec_));
  return head;
}

void H1Client::put_head(const message::ResponseHead& head, const message::Content& content,
                        message::Patch& patch) {
  using Kind = http::h1::Framing::Kind;
  const auto framing = http::h1::Framing::of(content, is_http10() ? Kind::until_close : Kind::chunked);
  ends_by_close_ = framing.kind == Kind::until_close;
  if (ends_by_close_ || is_ending()) close_after();
  if (!is_kept_) {
    patch.added.add_own(message::FieldId::connection, "close");
  } else if (is_http10()) {
    patch.added.add_own(message::FieldId::connection, "keep-alive");
  }
  codec_->writer.put_head(head, framing, patch);
  // Until it is whole: a clean end of the connection would say that it is.
  if (ends_by_close_) stream_->reset_at_close(true);
}

void H1Client::take_back() {
  codec_->writer.drop_queued();
  if (std::exchange(ends_by_close_, false)) stream_->reset_at_close(false);
}

runtime::Task<void> H1Client::run() {
  while (true) {
    auto read = try_head();
    bool had_begun = has_begun();
    if (!read) wait_for(had_begun ? worker.limits().head_timeout : idle_limit());
    while (!read) {
      co_await runtime::Wait(stream_->readable());
      read = try_head();
      if (!read && !had_begun && has_begun()) {
        had_begun = true;
        wait_for(worker.limits().head_timeout);
      }
    }
    wait_until_ = base::MonoTime::max();
    if (!*read && read->error().kind != http::ReadError::Kind::refused) co_return;
    ++requests;
    is_kept_ = *read && http::h1::keeps_alive(head().version, head().headers);
    if (!*read) codec_->reader.head().clear();  // what was parsed of it is not to be trusted
    const bool is_whole = *read ? co_await serve_request<H1Session>(*this)
                                : co_await refuse_malformed(*this, read->error().refusal);
    if (is_whole && std::exchange(ends_by_close_, false)) stream_->reset_at_close(false);
    // What of a body was not read must not be taken for the next request.
    if (!is_whole || !is_kept_ || !is_body_done()) break;
    if (is_ending() && !has_more()) break;
  }
  if (stream_->resets_at_close()) co_return;
  worker.give_codec(std::move(codec_));
  // Bytes that were not read would turn the close into a reset, and the reset could overtake the answer.
  co_await http::h1::linger(worker.reactor, *stream_, linger_limit);
}

runtime::Task<void> serve_h1(Worker& worker, LocalPtr<ListenerState> listener,
                             std::unique_ptr<runtime::Stream> stream, Peer peer) {
  H1Client client(worker, std::move(listener), std::move(stream), std::move(peer));
  co_await client.run();
}

}  // namespace weft::proxy
