// One endpoint as a worker knows it: its sessions and its load.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/address.h"
#include "proxy/h1_session.h"
#include "proxy/h2_session.h"
#include "proxy/limits.h"
#include "proxy/local_ptr.h"
#include "proxy/pool.h"
#include "runtime/reactor.h"
#include "snapshot/snapshot.h"
#include "telemetry/shard.h"
#include "tls/tls.h"

namespace weft::proxy {

/// How TLS is spoken to an endpoint.
struct EndpointTls {
  /// Null: there is none to be had, and so no connection.
  std::shared_ptr<tls::ClientContext> context;
  std::shared_ptr<tls::Resumption> resumption;
  /// Why the last handshake that failed did; empty: none has.
  std::string fault;
};

class EndpointState final : public LocalCounted {
 public:
  EndpointState(runtime::Reactor& reactor, const Limits& limits, telemetry::ProxyCounters& counters,
                const snapshot::Endpoint& config, const PoolLimits& pool);
  ~EndpointState();

  const base::Address& address() const { return address_; }
  const std::string& instance() const { return instance_; }
  std::uint32_t weight() const { return weight_; }
  snapshot::Health health() const { return health_; }

  /// Takes over what a new Snapshot says. One that is not healthy any more closes its connections at rest.
  void update(const snapshot::Endpoint& config, const PoolLimits& limits);
  /// It is in no Snapshot any more: connections at rest are closed, busy ones when they are done.
  void retire();

  /// Whether another connection may be opened, with `max` in all, besides those that who waited longer was
  /// called for.
  bool has_room(std::uint32_t max) const {
    return connections_ + h1.promised() + (h2_ ? h2_->promised() : 0) < max;
  }
  bool is_retired() const { return is_retired_; }
  /// The Snapshot in force has it, and as one to be asked.
  bool is_in_service() const { return !is_retired_ && health_ == snapshot::Health::healthy; }
  /// Closes connections that have rested too long.
  void close_stale();
  /// Closes those that rest.
  void close_idle();
  /// Those that rest, and requests that wait for a stream of one.
  std::size_t idle() const { return h1.idle() + (h2_ ? h2_->idle() : 0); }
  std::size_t pending() const { return h1.pending() + (h2_ ? h2_->pending() : 0); }

  std::uint64_t connections() const { return connections_; }

  /// From now on it is spoken to so.
  void speak_tls(const std::shared_ptr<tls::ClientContext>& context);
  /// Null: it is not.
  std::unique_ptr<EndpointTls> tls;

  Pool<H1Session> h1;
  /// Made when it is first asked for.
  Pool<H2Session>& h2();

  /// A request or an opaque connection is sent to it; `active` goes down when that is over.
  void begin();
  /// Those under way, for least request; and all that ever were.
  std::uint64_t active = 0;
  std::uint64_t requests = 0;
  /// It has more than one request, or has had many of late: what it dies of is not known by which it had.
  bool is_busy() const;
  /// The state of smooth weighted round robin.
  std::int64_t round_robin_credit = 0;
  /// The series of the ends whose target this is; null until the first request.
  telemetry::EndsSeries* series = nullptr;
  /// The workload behind it, known once a connection found its inbound listener in this process.
  std::string workload;
  /// Of the access log: AccessRecord::Kept::target.
  std::string log_fields;

 private:
  friend class ConnectionPlace;

  runtime::Reactor& reactor_;
  const Limits& limits_;
  telemetry::ProxyCounters& counters_;
  PoolLimits pool_limits_;
  std::unique_ptr<Pool<H2Session>> h2_;
  base::Address address_;
  std::string instance_;
  std::uint32_t weight_ = 1;
  snapshot::Health health_ = snapshot::Health::healthy;
  bool is_retired_ = false;
  std::uint64_t connections_ = 0;
  /// Since when requests are counted for is_busy(), how many there had been then, and how many came in the
  /// time before.
  base::MonoTime count_since_{};
  std::uint64_t counted_ = 0;
  std::uint64_t counted_before_ = 0;
};

}  // namespace weft::proxy
