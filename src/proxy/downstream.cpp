#include "proxy/downstream.h"

#include <algorithm>

#include "http/h1/linger.h"
#include "proxy/request.h"
#include "proxy/worker.h"

namespace weft::proxy {
namespace {

/// For a client to take the last answer and close.
constexpr auto linger_limit = std::chrono::seconds(2);

}  // namespace

void HeadLimit::begin() {
  is_waiting_ = true;
  has_begun_ = false;
  idle_until_ = reactor_.coarse_now() + limits_.idle_timeout;
  if (!timer_.is_set())
    timer_.set(reactor_.coarse_now() + std::min(limits_.head_timeout, limits_.idle_timeout));
}

void HeadLimit::wake() {
  if (!is_waiting_) return;
  const auto now = reactor_.coarse_now();
  const bool begun = reader_.has_begun();
  if (begun ? has_begun_ : now >= idle_until_) {
    stream_.fail({ETIMEDOUT});
    return;
  }
  has_begun_ = begun;
  timer_.set(begun ? now + limits_.head_timeout
                   : std::min<base::MonoTime>(now + limits_.head_timeout, idle_until_));
}

Downstream::Downstream(Worker& owner, LocalPtr<ListenerState> from,
                       std::unique_ptr<runtime::Stream> connection, Peer caller)
    : worker(owner),
      listener(std::move(from)),
      peer(std::move(caller)),
      stream(std::move(connection)),
      reader(*stream),
      writer(*stream),
      read_deadline(owner.reactor, *stream),
      write_deadline(owner.reactor, *stream),
      address_(stream->peer()),
      ip_(address_.ip()),
      head_limit_(owner.reactor, owner.limits(), *stream, reader),
      place_(owner.downstreams_.insert(owner.downstreams_.end(), this)) {
  ++worker.shard.proxy.downstream_connections;
  ++worker.shard.proxy.downstream_connections_active;
}

Downstream::~Downstream() {
  --worker.shard.proxy.downstream_connections_active;
  worker.downstreams_.erase(place_);
}

bool Downstream::is_ending() const {
  return listener->is_removed || worker.is_draining() ||
         requests_ >= worker.limits().max_requests_per_connection;
}

void Downstream::close_if_idle() {
  if (head_limit_.is_waiting() && !reader.has_begun()) stream->fail({ECANCELED});
}

runtime::Task<void> Downstream::run() {
  bool keep_alive = true;
  while (keep_alive) {
    head_limit_.begin();
    const auto head = co_await reader.read_head();
    head_limit_.end();
    if (!head && head.error().kind != http::h1::ReadError::Kind::refused) co_return;
    ++requests_;
    keep_alive = head ? co_await serve_request(*this) : co_await refuse_malformed(head.error().refusal);
    if (is_ending() && reader.buffered().empty()) break;
  }
  if (stream->resets_at_close()) co_return;
  // Bytes that were not read would turn the close into a reset, and the reset could overtake the answer.
  co_await http::h1::linger(worker.reactor, *stream, linger_limit);
}

runtime::Task<bool> Downstream::refuse_malformed(http::h1::Refusal refusal) {
  ++worker.shard.proxy.protocol_errors;
  reader.head().clear();  // what was parsed of it is not to be trusted
  Request request(*this);
  request.reason = http::h1::describe(refusal);
  request.status = http::h1::status_of(refusal);
  request.keep_alive = false;
  co_return co_await refuse(request, Failure::malformed_request);
}

runtime::Task<void> serve_http(Worker& worker, LocalPtr<ListenerState> listener,
                               std::unique_ptr<runtime::Stream> stream, Peer peer) {
  Downstream downstream(worker, std::move(listener), std::move(stream), std::move(peer));
  co_await downstream.run();
}

}  // namespace weft::proxy
