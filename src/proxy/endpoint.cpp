#include "proxy/endpoint.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "runtime/combine.h"

namespace weft::proxy {
namespace {

/// From so many requests in so short a time on, one of them is an unlikely cause of an endpoint's end.
constexpr std::uint64_t busy_requests = 16;
constexpr auto busy_time = std::chrono::seconds(1);

}  // namespace

ConnectionPlace::ConnectionPlace(LocalPtr<EndpointState> endpoint) : endpoint_(std::move(endpoint)) {
  ++endpoint_->connections_;
}

ConnectionPlace::~ConnectionPlace() {
  if (!endpoint_) return;
  if (active_ != nullptr) --*active_;
  --endpoint_->connections_;
  endpoint_->call_next({});
}

void ConnectionPlace::connected(bool is_local) {
  auto& counters = endpoint_->counters_;
  ++(is_local ? counters.local_connections : counters.upstream_connections);
  active_ = is_local ? &counters.local_connections_active : &counters.upstream_connections_active;
  ++*active_;
}

void ConnectionPlace::failed() { ++endpoint_->counters_.upstream_connect_failures; }

UpstreamConnection::UpstreamConnection(runtime::Reactor& reactor, ConnectionPlace place,
                                       std::unique_ptr<runtime::Stream> stream, bool is_local)
    : reader(*stream),
      writer(*stream),
      deadline(reactor, *stream),
      write_deadline(reactor, *stream),
      place_(std::move(place)),
      stream_(std::move(stream)),
      is_local_(is_local),
      opened_(reactor.coarse_now()) {}

UpstreamConnection::~UpstreamConnection() { stream_->readable().cancel(*this); }

bool UpstreamConnection::seems_open() {
  if (stream_->fd() < 0) return true;
  char byte = 0;
  return ::recv(stream_->fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EINTR);
}

void UpstreamConnection::wake() {
  // At rest nothing may come: an end, an error and unasked bytes all make the connection useless.
  std::array<char, 1> byte{};
  const auto got = stream_->try_read(byte);
  if (!got && got.error().would_block()) {
    stream_->readable().wait(*this);
    return;
  }
  place_.endpoint().drop_idle(*this);
}

void Lease::keep() {
  auto& endpoint = connection_->place_.endpoint();
  endpoint.keep(std::move(connection_));
}

PendingRequest::PendingRequest(runtime::Reactor& reactor, LocalPtr<EndpointState> endpoint)
    : endpoint_(std::move(endpoint)),
      place_(endpoint_->pending_.insert(endpoint_->pending_.end(), this)),
      soon_(reactor, *this) {}

PendingRequest::~PendingRequest() {
  if (has_promise_) --endpoint_->promised_;
  if (is_queued_) {
    endpoint_->pending_.erase(place_);
  } else if (!is_taken_) {
    endpoint_->call_next(std::move(lease_));
  }
}

runtime::Task<void> PendingRequest::wait() {
  if (is_queued_) co_await runtime::Wait(called_);
  is_taken_ = true;
}

EndpointState::EndpointState(runtime::Reactor& reactor, const Limits& limits,
                             telemetry::ProxyCounters& counters, const snapshot::Endpoint& config,
                             const PoolLimits& pool)
    : reactor_(reactor), limits_(limits), counters_(counters), address_(config.address) {
  update(config, pool);
}

EndpointState::~EndpointState() = default;

void EndpointState::begin() {
  ++active;
  const auto now = reactor_.coarse_now();
  if (now - count_since_ >= busy_time) {
    counted_before_ = now - count_since_ < 2 * busy_time ? requests - counted_ : 0;
    count_since_ = now;
    counted_ = requests;
  }
  ++requests;
}

bool EndpointState::is_busy() const {
  const bool is_recent = reactor_.coarse_now() - count_since_ < busy_time;
  return active > 1 || requests - counted_ + (is_recent ? counted_before_ : 0) >= busy_requests;
}

void EndpointState::update(const snapshot::Endpoint& config, const PoolLimits& pool) {
  pool_ = pool;
  if (instance_ != config.instance) log_fields.clear();
  instance_ = config.instance;
  weight_ = config.weight;
  health_ = config.health;
  is_retired_ = false;
  if (health_ != snapshot::Health::healthy) close_idle();
}

void EndpointState::retire() {
  is_retired_ = true;
  close_idle();
  while (!pending_.empty()) call_next({});
}

void EndpointState::close_idle() {
  if (idle_.empty()) return;
  // A connection's end may be the last that holds this endpoint.
  const LocalPtr<EndpointState> self(this);
  idle_.clear();
}

Lease EndpointState::take_idle() {
  if (idle_.empty()) return {};
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  connection->stream_->readable().cancel(*connection);
  return Lease(std::move(connection));
}

void EndpointState::call_next(Lease lease) {
  if (pending_.empty()) return;
  auto& next = *pending_.front();
  pending_.pop_front();
  next.is_queued_ = false;
  next.has_promise_ = !lease;
  promised_ += next.has_promise_ ? 1 : 0;
  next.lease_ = std::move(lease);
  next.soon_.set();
}

bool EndpointState::is_worn_out(const UpstreamConnection& connection) const {
  if (pool_.max_requests > 0 && connection.requests_ >= pool_.max_requests) return true;
  return pool_.max_age.count() > 0 && reactor_.coarse_now() - connection.opened_ >= pool_.max_age;
}

void EndpointState::keep(std::unique_ptr<UpstreamConnection> connection) {
  const LocalPtr<EndpointState> self(this);
  ++connection->requests_;
  connection->deadline.clear();
  if (!is_in_service() || is_worn_out(*connection)) return;
  // The peer's end may have come together with the response: then nothing will tell of it again.
  if (!connection->reader.is_quiet()) return;
  if (!pending_.empty()) {
    // Who waits may have a request that cannot be sent again. If this has ended, its end calls them.
    if (connection->seems_open()) call_next(Lease(std::move(connection)));
    return;
  }
  if (idle_.size() >= limits_.max_idle_per_endpoint) return;
  connection->idle_since_ = reactor_.coarse_now();
  connection->stream_->readable().wait(*connection);
  idle_.push_back(std::move(connection));
}

void EndpointState::drop_idle(UpstreamConnection& connection) {
  const LocalPtr<EndpointState> self(this);
  const auto found = std::ranges::find(idle_, &connection, &std::unique_ptr<UpstreamConnection>::get);
  if (found == idle_.end()) return;
  const auto gone = std::move(*found);
  idle_.erase(found);
}

void EndpointState::close_stale() {
  if (idle_.empty()) return;
  const auto limit = pool_.idle_timeout.count() > 0 ? pool_.idle_timeout : limits_.upstream_idle_timeout;
  const base::MonoTime time = reactor_.coarse_now() - limit;
  const LocalPtr<EndpointState> self(this);
  // The oldest lie in front: the last used is taken first.
  const auto fresh = std::ranges::find_if(idle_, [&](const auto& one) { return one->idle_since_ > time; });
  idle_.erase(idle_.begin(), fresh);
}

}  // namespace weft::proxy
