// One cluster as a worker knows it: its endpoints' states, kept from Snapshot to Snapshot, and the balancer's
// choice.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/random.h"
#include "proxy/endpoint.h"
#include "proxy/limits.h"
#include "proxy/local_ptr.h"
#include "snapshot/snapshot.h"
#include "telemetry/shard.h"

namespace weft::proxy {

class ClusterState final : public LocalCounted {
 public:
  ClusterState(runtime::Reactor& reactor, const Limits& limits, telemetry::ProxyCounters& counters,
               base::Random& random);
  ~ClusterState();

  /// Takes over what a new Snapshot says: endpoints are known again by their address, and their pools and
  /// loads stay, unless TLS comes or goes, or those whom there are connections to may be trusted no more.
  /// `tls` is for connections to come, if the cluster has TLS; null: there is none to be had.
  void update(const snapshot::Cluster& config, const std::shared_ptr<tls::ClientContext>& tls = {});
  /// No Snapshot has it any more.
  void retire();

  /// The endpoint for the next request: healthy, by the cluster's policy, and none of `tried` unless there is
  /// no other and `allow_tried`. Null if there is none.
  EndpointState* pick(std::span<const LocalPtr<EndpointState>> tried, bool allow_tried);

  snapshot::ClusterProtocol protocol() const { return protocol_; }
  std::uint32_t max_connections() const { return max_connections_; }
  std::uint32_t max_pending() const { return max_pending_; }
  std::chrono::milliseconds connect_timeout() const { return connect_timeout_; }
  snapshot::ProxyProtocol proxy_protocol() const { return proxy_protocol_; }
  std::size_t pending() const;
  /// Whether a healthy endpoint is left besides these, of which some may have become unhealthy since.
  bool has_untried(std::span<const LocalPtr<EndpointState>> tried) const;
  const std::vector<LocalPtr<EndpointState>>& endpoints() const { return endpoints_; }

  /// Requests under way, and those of them that are so once more after a possible effect.
  std::size_t requests_active = 0;
  std::size_t retries_active = 0;
  /// The series of requests that reached no endpoint; null until the first.
  telemetry::EndsSeries* series = nullptr;

 private:
  /// Whether connections that there are would be made by these settings as well.
  bool would_connect(const snapshot::Cluster& config, const std::shared_ptr<tls::ClientContext>& tls) const;
  bool is_in_turn(const EndpointState& endpoint) const;
  /// Goes on with the first that is left of those that were next, `turn` from there on; else begins anywhere,
  /// so that not all workers and contexts ask the same endpoint first.
  void resume_turn(std::span<EndpointState* const> turn);
  EndpointState* round_robin(std::span<const LocalPtr<EndpointState>> tried);
  EndpointState* weighted_round_robin(std::span<const LocalPtr<EndpointState>> tried);
  EndpointState* least_request(std::span<const LocalPtr<EndpointState>> tried);

  runtime::Reactor& reactor_;
  const Limits& limits_;
  telemetry::ProxyCounters& counters_;
  base::Random& random_;
  snapshot::ClusterProtocol protocol_ = snapshot::ClusterProtocol::http1;
  snapshot::LoadBalancing load_balancing_ = snapshot::LoadBalancing::least_request;
  std::uint32_t max_connections_ = 0;
  std::uint32_t max_pending_ = 0;
  std::chrono::milliseconds connect_timeout_{};
  snapshot::ProxyProtocol proxy_protocol_ = snapshot::ProxyProtocol::none;
  bool speaks_tls_ = false;
  std::shared_ptr<tls::ClientContext> tls_;
  std::vector<LocalPtr<EndpointState>> endpoints_;
  /// The ones that get new requests, in the Snapshot's order.
  std::vector<EndpointState*> healthy_;
  bool is_weighted_ = false;
  /// Of healthy_: whose turn is next.
  std::size_t next_ = 0;
};

}  // namespace weft::proxy
