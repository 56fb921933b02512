// One endpoint as a worker knows it: its pool of connections and its load.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "http/h1/reader.h"
#include "http/h1/writer.h"
#include "proxy/limits.h"
#include "proxy/local_ptr.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "snapshot/snapshot.h"
#include "telemetry/shard.h"

namespace weft::proxy {

class EndpointState;

/// What bounds the use of one pooled connection. Zero: no limit.
struct PoolLimits {
  std::uint32_t max_requests = 0;
  std::chrono::milliseconds max_age{};
  /// At rest. Zero: the proxy's own.
  std::chrono::milliseconds idle_timeout{};
};

/// One connection's place among those of its endpoint: counted from the attempt to connect to the end.
class ConnectionPlace {
 public:
  explicit ConnectionPlace(LocalPtr<EndpointState> endpoint);
  ConnectionPlace(ConnectionPlace&&) = default;
  ConnectionPlace& operator=(ConnectionPlace&&) = delete;
  /// Without connected() or failed() the attempt was given up.
  ~ConnectionPlace();

  /// `is_local`: within this process.
  void connected(bool is_local);
  void failed();
  EndpointState& endpoint() const { return *endpoint_; }

 private:
  LocalPtr<EndpointState> endpoint_;  // null when moved from
  /// The gauge that it counts in; null: none yet.
  std::uint64_t* active_ = nullptr;
};

/// One HTTP/1.1 connection to an endpoint. At rest it lies in its endpoint's pool and watches for the peer's
/// end.
class UpstreamConnection final : private runtime::Waiter {
 public:
  UpstreamConnection(runtime::Reactor& reactor, ConnectionPlace place,
                     std::unique_ptr<runtime::Stream> stream, bool is_local);
  UpstreamConnection(const UpstreamConnection&) = delete;
  UpstreamConnection& operator=(const UpstreamConnection&) = delete;
  ~UpstreamConnection();

  runtime::Stream& stream() { return *stream_; }
  http::h1::ResponseReader reader;
  http::h1::Writer writer;
  /// For the response.
  runtime::Deadline deadline;
  /// For one piece of the request to be taken.
  runtime::Deadline write_deadline;

  void limit_write_pauses(base::Duration limit) { writer.limit_pauses(write_deadline, limit); }

  /// It leads to an inbound listener of this process, so that what it says of failures can be believed.
  bool is_local() const { return is_local_; }
  /// It has carried a request before.
  bool is_reused() const { return requests_ > 0; }
  /// False if the peer has surely ended it. One system call.
  bool seems_open();

 private:
  friend class EndpointState;
  friend class Lease;
  void wake() override;

  ConnectionPlace place_;
  std::unique_ptr<runtime::Stream> stream_;
  bool is_local_;
  std::uint64_t requests_ = 0;
  const base::MonoTime opened_;
  base::MonoTime idle_since_{};
};

/// Exclusive use of a connection for one request. Ends by keep(), or the connection is closed.
class Lease {
 public:
  Lease() = default;
  explicit Lease(std::unique_ptr<UpstreamConnection> connection) : connection_(std::move(connection)) {}
  Lease(Lease&&) = default;
  Lease& operator=(Lease&&) = default;

  UpstreamConnection* operator->() const { return connection_.get(); }
  UpstreamConnection& operator*() const { return *connection_; }
  explicit operator bool() const { return connection_ != nullptr; }
  /// Puts the connection into its pool, or hands it to who waits for one.
  void keep();
  void close() { connection_.reset(); }

 private:
  std::unique_ptr<UpstreamConnection> connection_;
};

/// Who waits for a connection to become free: in its endpoint's queue from construction to the end.
class PendingRequest final : private runtime::Waiter {
 public:
  PendingRequest(runtime::Reactor& reactor, LocalPtr<EndpointState> endpoint);
  PendingRequest(const PendingRequest&) = delete;
  PendingRequest& operator=(const PendingRequest&) = delete;
  ~PendingRequest();

  /// Ends when it is this request's turn: with a connection that was handed over, or with none, when there
  /// may be room for a new one.
  runtime::Task<void> wait();
  Lease take() { return std::move(lease_); }

 private:
  friend class EndpointState;
  void wake() override { called_.notify(); }

  LocalPtr<EndpointState> endpoint_;
  std::list<PendingRequest*>::iterator place_;
  bool is_queued_ = true;
  bool is_taken_ = false;
  bool has_promise_ = false;
  Lease lease_;
  /// Woken by the loop, not by who gave the connection back: no recursion through a chain of waiting
  /// requests.
  runtime::Soon soon_;
  runtime::Readiness called_;
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

  /// A connection at rest, the last used first; empty if there is none.
  Lease take_idle();
  /// Whether another connection may be opened, with `max` in all, besides those that who waited longer was
  /// called for.
  bool has_room(std::uint32_t max) const { return connections_ + promised_ < max; }
  bool is_retired() const { return is_retired_; }
  /// The Snapshot in force has it, and as one to be asked.
  bool is_in_service() const { return !is_retired_ && health_ == snapshot::Health::healthy; }
  std::size_t pending() const { return pending_.size(); }
  /// Closes connections that have rested too long.
  void close_stale();
  /// Closes all that rest.
  void close_idle();

  std::uint64_t connections() const { return connections_; }
  std::uint64_t idle_connections() const { return idle_.size(); }

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
  friend class UpstreamConnection;
  friend class Lease;
  friend class PendingRequest;

  bool is_worn_out(const UpstreamConnection& connection) const;
  void keep(std::unique_ptr<UpstreamConnection> connection);
  void drop_idle(UpstreamConnection& connection);
  void call_next(Lease lease);

  runtime::Reactor& reactor_;
  const Limits& limits_;
  telemetry::ProxyCounters& counters_;
  base::Address address_;
  std::string instance_;
  std::uint32_t weight_ = 1;
  snapshot::Health health_ = snapshot::Health::healthy;
  bool is_retired_ = false;
  PoolLimits pool_;
  std::uint64_t connections_ = 0;
  std::uint64_t promised_ = 0;
  /// Since when requests are counted for is_busy(), how many there had been then, and how many came in the
  /// time before.
  base::MonoTime count_since_{};
  std::uint64_t counted_ = 0;
  std::uint64_t counted_before_ = 0;
  std::vector<std::unique_ptr<UpstreamConnection>> idle_;
  std::list<PendingRequest*> pending_;
};

}  // namespace weft::proxy
