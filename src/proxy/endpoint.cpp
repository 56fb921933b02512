#include "proxy/endpoint.h"

#include <utility>

namespace weft::proxy {
namespace {

/// From so many requests in so short a time on, one of them is an unlikely cause of an endpoint's end.
constexpr std::uint64_t busy_requests = 16;
constexpr auto busy_time = std::chrono::seconds(1);

}  // namespace

ConnectionPlace::ConnectionPlace(LocalPtr<EndpointState> endpoint) : endpoint_(std::move(endpoint)) {
  ++endpoint_->connections_;
}

ConnectionPlace::ConnectionPlace(ConnectionPlace&& other) noexcept
    : endpoint_(std::move(other.endpoint_)), active_(std::exchange(other.active_, nullptr)) {}

ConnectionPlace::~ConnectionPlace() {
  if (!endpoint_) return;
  if (active_ != nullptr) --*active_;
  --endpoint_->connections_;
  if (endpoint_->h1.pending() > 0) {
    endpoint_->h1.call_next({});
  } else if (endpoint_->h2_) {
    endpoint_->h2_->call_next({});
  }
}

void ConnectionPlace::connected(bool is_local) {
  auto& counters = endpoint_->counters_;
  ++(is_local ? counters.local_connections : counters.upstream_connections);
  active_ = is_local ? &counters.local_connections_active : &counters.upstream_connections_active;
  ++*active_;
}

void ConnectionPlace::failed() { ++endpoint_->counters_.upstream_connect_failures; }

EndpointState::EndpointState(runtime::Reactor& reactor, const Limits& limits,
                             telemetry::ProxyCounters& counters, const snapshot::Endpoint& config,
                             const PoolLimits& pool)
    : h1(reactor, limits.max_idle_per_endpoint),
      reactor_(reactor),
      limits_(limits),
      counters_(counters),
      address_(config.address) {
  update(config, pool);
}

EndpointState::~EndpointState() = default;

void EndpointState::close_stale() {
  const LocalPtr<EndpointState> self(this);  // a session's end may be the last that holds this
  h1.close_stale(limits_.upstream_idle_timeout);
  if (h2_) h2_->close_stale(limits_.upstream_idle_timeout);
}

void EndpointState::close_idle() {
  const LocalPtr<EndpointState> self(this);
  h1.close_idle();
  if (h2_) h2_->close_idle();
}

void EndpointState::speak_tls(const std::shared_ptr<tls::ClientContext>& context) {
  // What was resumed belongs to the context that it was begun with.
  if (!tls || tls->context != context)
    tls = std::make_unique<EndpointTls>(EndpointTls{context, tls::make_resumption(), {}});
}

Pool<H2Session>& EndpointState::h2() {
  if (!h2_) {
    h2_ = std::make_unique<Pool<H2Session>>(reactor_, limits_.max_idle_per_endpoint);
    h2_->update(pool_limits_, is_in_service());
  }
  return *h2_;
}

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
  if (instance_ != config.instance) log_fields.clear();
  instance_ = config.instance;
  weight_ = config.weight;
  health_ = config.health;
  is_retired_ = false;
  pool_limits_ = pool;
  h1.update(pool, is_in_service());
  if (h2_) h2_->update(pool, is_in_service());
}

void EndpointState::retire() {
  is_retired_ = true;
  const LocalPtr<EndpointState> self(this);  // a session's end may be the last that holds this
  h1.update({}, false);
  if (h2_) h2_->update({}, false);
  h1.call_all();
  if (h2_) h2_->call_all();
}

}  // namespace weft::proxy
