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
  return reader.head().headers.capacity() + writer.capacity() + request_patch.capacity() +
             response_patch.capacity() >
         http::h1::receive_buffer_bytes;
}

ClientCount::ClientCount(telemetry::ProxyCounters& counters, const Peer& peer)
    : active_(peer.context ? nullptr : &counters.downstream_connections_active) {
  if (active_ == nullptr) return;
  ++counters.downstream_connections;
  ++*active_;
}

ClientCount::~ClientCount() {
  if (active_ != nullptr) --*active_;
}

Downstream::Downstream(Worker& owner, LocalPtr<ListenerState> from,
                       std::unique_ptr<runtime::Stream> connection, Peer caller)
    : worker(owner),
      listener(std::move(from)),
      peer(std::move(caller)),
      stream(std::move(connection)),
      count_(worker.shard.proxy, peer),
      place_(owner.downstreams_.insert(owner.downstreams_.end(), this)) {}

Downstream::~Downstream() {
  if (codec_) worker.give_codec(std::move(codec_));
  worker.downstreams_.erase(place_);
}

bool Downstream::is_ending() const {
  return listener->is_removed || listener->config->protocol != snapshot::Protocol::http1 ||
         worker.is_draining() || requests_ >= worker.limits().max_requests_per_connection;
}

void Downstream::wait_for(base::Duration limit) {
  wait_until_ = worker.reactor.coarse_now() + limit;
  worker.sweep_by(wait_until_);
}

base::MonoTime Downstream::close_if_late() {
  const auto until = wait_until_;
  if (until > worker.reactor.coarse_now()) return until;
  stream->fail({ETIMEDOUT});  // may be the end of this
  return base::MonoTime::max();
}

void Downstream::close_if_idle() {
  if (wait_until_ != base::MonoTime::max() && !has_begun()) stream->fail({ECANCELED});
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
    const auto own_limit = listener->config->idle_timeout;
    auto head = try_head();
    bool had_begun = has_begun();
    if (!head)
      wait_for(had_begun               ? worker.limits().head_timeout
               : own_limit.count() > 0 ? own_limit
                                       : worker.limits().idle_timeout);
    while (!head) {
      co_await runtime::Wait(stream->readable());
      head = try_head();
      if (!head && !had_begun && has_begun()) {
        had_begun = true;
        wait_for(worker.limits().head_timeout);
      }
    }
    wait_until_ = base::MonoTime::max();
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
