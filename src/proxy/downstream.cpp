#include "proxy/downstream.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "http/h1/limits.h"
#include "http/h1/linger.h"
#include "proxy/request.h"
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
  return reader.head().headers.capacity() + writer.capacity() > http::h1::receive_buffer_bytes;
}

Downstream::Downstream(Worker& owner, LocalPtr<ListenerState> from,
                       std::unique_ptr<runtime::Stream> connection, Peer caller)
    : worker(owner),
      listener(std::move(from)),
      peer(std::move(caller)),
      stream(std::move(connection)),
      timer_(owner.reactor, *this),
      place_(owner.downstreams_.insert(owner.downstreams_.end(), this)) {
  ++worker.shard.proxy.downstream_connections;
  ++worker.shard.proxy.downstream_connections_active;
}

Downstream::~Downstream() {
  if (codec_) worker.give_codec(std::move(codec_));
  --worker.shard.proxy.downstream_connections_active;
  worker.downstreams_.erase(place_);
}

bool Downstream::is_ending() const {
  return listener->is_removed || worker.is_draining() ||
         requests_ >= worker.limits().max_requests_per_connection;
}

void Downstream::begin_wait() {
  const auto& limits = worker.limits();
  const auto now = worker.reactor.coarse_now();
  is_waiting_ = true;
  had_begun_ = false;
  const auto own = listener->config->idle_timeout;
  const auto idle = own.count() > 0 ? own : limits.idle_timeout;
  idle_until_ = now + idle;
  if (!timer_.is_set()) timer_.set(now + std::min(limits.head_timeout, idle));
}

void Downstream::wake() {
  if (!is_waiting_) return;
  const auto now = worker.reactor.coarse_now();
  const bool begun = has_begun();
  if (begun ? had_begun_ : now >= idle_until_) {
    stream->fail({ETIMEDOUT});
    return;
  }
  had_begun_ = begun;
  const base::MonoTime next = now + worker.limits().head_timeout;
  timer_.set(begun ? next : std::min(next, idle_until_));
}

void Downstream::close_if_idle() {
  if (is_waiting_ && !has_begun()) stream->fail({ECANCELED});
}

std::optional<http::h1::ReadResult<void>> Downstream::try_head() {
  if (!codec_) codec_ = worker.take_codec(*stream);
  auto head = reader().try_head();
  if (!head && !has_begun()) worker.give_codec(std::move(codec_));
  return head;
}

runtime::Task<void> Downstream::run() {
  bool keep_alive = true;
  while (keep_alive) {
    begin_wait();
    auto head = try_head();
    while (!head) {
      co_await runtime::Wait(stream->readable());
      head = try_head();
    }
    is_waiting_ = false;
    if (!*head && head->error().kind != http::h1::ReadError::Kind::refused) co_return;
    ++requests_;
    keep_alive =
        *head ? co_await serve_request(*this) : co_await refuse_malformed(*this, head->error().refusal);
    if (is_ending() && reader().buffered().empty()) break;
  }
  if (stream->resets_at_close()) co_return;
  worker.give_codec(std::move(codec_));
  // Bytes that were not read would turn the close into a reset, and the reset could overtake the answer.
  co_await http::h1::linger(worker.reactor, *stream, linger_limit);
}

runtime::Task<void> serve_http(Worker& worker, LocalPtr<ListenerState> listener,
                               std::unique_ptr<runtime::Stream> stream, Peer peer) {
  Downstream downstream(worker, std::move(listener), std::move(stream), std::move(peer));
  co_await downstream.run();
}

}  // namespace weft::proxy
