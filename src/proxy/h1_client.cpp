#include "proxy/h1_client.h"

#include <cerrno>
#include <utility>

#include "http/h1/limits.h"
#include "http/h1/linger.h"
#include "proxy/h1_session.h"
#include "proxy/opening/protocol.h"
#include "proxy/serve.h"
#include "proxy/worker.h"
#include "runtime/combine.h"

namespace weft::proxy {
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
    : HttpConnection(owner, std::move(from), connection->peer(), std::move(caller)),
      stream_(std::move(connection)) {}

H1Client::~H1Client() {
  if (codec_) worker.give_codec(std::move(codec_));
}

void H1Client::end_soon() {
  if (is_waiting() && !has_begun()) end_at_rest({ECANCELED});
}

void H1Client::end_at_rest(runtime::IoError why) {
  // Over TLS that is what tells it from a cut.
  stream_->shutdown_write();
  stream_->fail(why);
}

void H1Client::hurry_if_idle(base::Duration limit) {
  if (!has_begun()) HttpConnection::hurry_if_idle(limit);
}

runtime::Task<bool> H1Client::hand_over() {
  constexpr auto preface = opening::h2_preface;
  auto& reader = codec_->reader;
  const auto may_be = [&] { return preface.starts_with(reader.buffered().substr(0, preface.size())); };
  while (may_be() && reader.buffered().size() < preface.size()) {
    wait_for(worker.limits().head_timeout);
    const auto more = co_await reader.read_ahead();
    if (!more || *more == 0) break;
  }
  wait_no_more();
  if (!may_be() || reader.buffered().size() < preface.size()) co_return false;
  std::string received(reader.buffered());
  worker.give_codec(std::move(codec_));
  worker.serve_http2(listener, std::move(stream_), give_up_peer(), std::move(received));
  co_return true;
}

std::optional<http::ReadResult<void>> H1Client::try_head() {
  const bool has_any = stream_->may_read() || (codec_ && !codec_->reader.buffered().empty());
  if (!has_any) {
    // The end of a request, mostly: nothing is made ready for the next before that comes.
    if (codec_) worker.give_codec(std::move(codec_));
    return std::nullopt;
  }
  if (!codec_) codec_ = worker.take_codec(*stream_);
  auto head = codec_->reader.try_head();
  if (!head && !has_begun()) worker.give_codec(std::move(codec_));
  return head;
}

void H1Client::put_head(const message::ResponseHead& head, const message::Content& content,
                        message::Patch& patch) {
  using Kind = http::h1::Framing::Kind;
  auto framing = http::h1::Framing::of(content, is_http10() ? Kind::until_close : Kind::chunked);
  // The end of a stream of HTTP/2 says that nothing follows; here that must be said where something might.
  if (framing.kind == Kind::none &&
      http::h1::response_framing({}, head.status, this->head().method).kind == Kind::until_close)
    framing = http::h1::Framing::of_length(0);
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
    wait_no_more();
    if (!*read && read->error().kind != http::ReadError::Kind::refused) co_return;
    if (!*read && requests == 0 && co_await hand_over()) co_return;
    ++requests;
    is_kept_ = *read && http::h1::keeps_alive(head().version, head().headers);
    if (!*read) codec_->reader.head().clear();  // what was parsed of it is not to be trusted
    const bool is_whole = *read ? co_await serve_request<H1Session>(*this)
                                : co_await refuse_malformed(*this, read->error().refusal);
    if (is_whole && std::exchange(ends_by_close_, false)) stream_->reset_at_close(false);
    // What of a body was not read must not be taken for the next request.
    if (!is_whole || !is_kept_ || !is_body_done()) break;
    // Who was not told may be at the next request already.
    if (is_ending() && !worker.is_retiring() && !has_more()) break;
  }
  if (stream_->resets_at_close()) co_return;
  worker.give_codec(std::move(codec_));
  // Bytes that were not read would turn the close into a reset, and the reset could overtake the answer.
  co_await http::h1::linger(worker.reactor, *stream_, worker.limits().linger_limit);
}

runtime::Task<void> serve_http(Worker& worker, LocalPtr<ListenerState> listener,
                               std::unique_ptr<runtime::Stream> stream, Peer peer) {
  H1Client client(worker, std::move(listener), std::move(stream), std::move(peer));
  co_await client.run();
}

}  // namespace weft::proxy
