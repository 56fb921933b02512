#include "proxy/cluster.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace weft::proxy {
namespace {

bool is_tried(std::span<const LocalPtr<EndpointState>> tried, const EndpointState* endpoint) {
  return std::ranges::any_of(tried, [&](const auto& one) { return one.get() == endpoint; });
}

/// Whether `a` carries less for its weight than `b`, each with the request to come.
bool is_less_loaded(const EndpointState& a, const EndpointState& b) {
  return (a.active + 1) * b.weight() < (b.active + 1) * a.weight();
}

}  // namespace

ClusterState::ClusterState(runtime::Reactor& reactor, const Limits& limits,
                           telemetry::ProxyCounters& counters, base::Random& random)
    : reactor_(reactor), limits_(limits), counters_(counters), random_(random) {}

ClusterState::~ClusterState() { retire(); }

bool ClusterState::would_connect(const snapshot::Cluster& config,
                                 const std::shared_ptr<tls::ClientContext>& tls) const {
  if (speaks_tls_ != static_cast<bool>(config.tls)) return false;
  return tls == tls_ || (tls && tls_ && trusts_as_before(*tls, *tls_));
}

void ClusterState::update(const snapshot::Cluster& config, const std::shared_ptr<tls::ClientContext>& tls) {
  protocol_ = config.protocol;
  load_balancing_ = config.load_balancing;
  max_connections_ = config.max_connections;
  max_pending_ = config.max_pending;
  connect_timeout_ = config.connect_timeout;
  proxy_protocol_ = config.proxy_protocol;
  const PoolLimits pool{config.max_requests_per_connection, config.max_connection_age, config.idle_timeout};

  std::unordered_map<base::Address, LocalPtr<EndpointState>> known;
  for (auto& endpoint : endpoints_) known.emplace(endpoint->address(), endpoint);
  endpoints_.clear();
  const bool keeps = would_connect(config, tls);
  speaks_tls_ = static_cast<bool>(config.tls);
  tls_ = tls;
  endpoints_.reserve(config.endpoints.size());
  if (next_ < healthy_.size())
    std::ranges::rotate(healthy_, healthy_.begin() + static_cast<std::ptrdiff_t>(next_));
  const auto turn = std::exchange(healthy_, {});
  is_weighted_ = false;
  for (const auto& endpoint : config.endpoints) {
    LocalPtr<EndpointState> state;
    if (auto found = keeps ? known.extract(endpoint.address) : decltype(known)::node_type()) {
      state = std::move(found.mapped());
      state->update(endpoint, pool);
    } else {
      state = LocalPtr(new EndpointState(reactor_, limits_, counters_, endpoint, pool));
    }
    if (config.tls) state->speak_tls(tls);
    if (is_in_turn(*state)) {
      healthy_.push_back(state.get());
      is_weighted_ = is_weighted_ || endpoint.weight != healthy_.front()->weight();
    }
    endpoints_.push_back(std::move(state));
  }
  for (auto& [address, endpoint] : known) endpoint->retire();
  resume_turn(turn);
}

bool ClusterState::is_in_turn(const EndpointState& endpoint) const {
  return endpoint.is_in_service() && endpoint.weight() > 0;
}

void ClusterState::resume_turn(std::span<EndpointState* const> turn) {
  if (healthy_.empty()) return;
  const auto left = std::ranges::find_if(turn, [&](auto* endpoint) { return is_in_turn(*endpoint); });
  if (left != turn.end()) {
    next_ = static_cast<std::size_t>(std::ranges::find(healthy_, *left) - healthy_.begin());
    return;
  }
  next_ = random_.below(healthy_.size());
  if (!is_weighted_) return;
  std::uint64_t sum = 0;
  for (const auto* endpoint : healthy_) sum += endpoint->weight();
  for (auto* endpoint : healthy_)
    endpoint->round_robin_credit = static_cast<std::int64_t>(random_.below(sum));
}

void ClusterState::retire() {
  for (auto& endpoint : endpoints_) endpoint->retire();
  endpoints_.clear();
  healthy_.clear();
}

std::size_t ClusterState::pending() const {
  std::size_t sum = 0;
  for (const auto& endpoint : endpoints_) sum += endpoint->pending();
  return sum;
}

EndpointState* ClusterState::pick(std::span<const LocalPtr<EndpointState>> tried, bool allow_tried) {
  if (healthy_.empty()) return nullptr;
  EndpointState* picked = nullptr;
  if (load_balancing_ == snapshot::LoadBalancing::least_request) {
    picked = least_request(tried);
  } else {
    picked = is_weighted_ ? weighted_round_robin(tried) : round_robin(tried);
  }
  if (picked == nullptr && allow_tried && !tried.empty()) picked = pick({}, false);
  return picked;
}

bool ClusterState::has_untried(std::span<const LocalPtr<EndpointState>> tried) const {
  return std::ranges::any_of(healthy_, [&](auto* endpoint) { return !is_tried(tried, endpoint); });
}

EndpointState* ClusterState::round_robin(std::span<const LocalPtr<EndpointState>> tried) {
  for (std::size_t i = 0; i < healthy_.size(); ++i) {
    if (next_ >= healthy_.size()) next_ = 0;
    auto* endpoint = healthy_[next_++];
    if (!is_tried(tried, endpoint)) return endpoint;
  }
  return nullptr;
}

// Smooth weighted round robin, as nginx does it: every round all gain their weight, the richest goes and pays
// the sum.
EndpointState* ClusterState::weighted_round_robin(std::span<const LocalPtr<EndpointState>> tried) {
  EndpointState* richest = nullptr;
  std::int64_t sum = 0;
  for (auto* endpoint : healthy_) {
    if (is_tried(tried, endpoint)) continue;
    endpoint->round_robin_credit += endpoint->weight();
    sum += endpoint->weight();
    if (richest == nullptr || endpoint->round_robin_credit > richest->round_robin_credit) richest = endpoint;
  }
  if (richest != nullptr) richest->round_robin_credit -= sum;
  return richest;
}

// The less loaded of two (Mitzenmacher, The Power of Two Choices): the next in turn and another at random, so
// that equal loads are served in turn.
EndpointState* ClusterState::least_request(std::span<const LocalPtr<EndpointState>> tried) {
  auto* first = round_robin(tried);
  if (first == nullptr || healthy_.size() == 1) return first;
  // round_robin() has gone on to the one behind the first.
  auto at = next_ + random_.below(healthy_.size() - 1);
  if (at >= healthy_.size()) at -= healthy_.size();
  auto* second = healthy_[at];
  return is_less_loaded(*second, *first) && !is_tried(tried, second) ? second : first;
}

}  // namespace weft::proxy
