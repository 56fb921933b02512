// What all that goes on within one client's connection has in common, whatever it speaks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/address.h"
#include "proxy/context.h"
#include "telemetry/shard.h"

namespace weft::proxy {

class Worker;

/// Counted from accept to end.
class ClientConnection {
 public:
  /// `address`: the client's, unless a PROXY header has told another; lives as long.
  ClientConnection(Worker& worker, LocalPtr<ListenerState> listener, const base::Address& address, Peer peer);
  ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  /// No further request shall come on it.
  bool is_ending() const;
  /// What it carries now goes on for as long as both sides like: a tunnel, or a stream of events, which may
  /// end before it does.
  void begin_stream();
  void end_stream();
  /// Another one takes its place, for the same peer and connection.
  Peer give_up_peer();
  /// How many requests it carries now; one if nothing else was said.
  void count_requests(std::uint32_t under_way);
  std::uint32_t requests_under_way() const { return under_way_; }
  /// The chain that it came in by, as one end of what it asks for; the other is a service's workload
  /// `destination`, if that is known. `cluster` may be null.
  telemetry::Ends ends(const snapshot::Listener& of, const snapshot::Cluster* cluster,
                       const std::string& destination) const;

  Worker& worker;
  const LocalPtr<ListenerState> listener;
  Peer peer;
  const base::Address& address;
  /// Requests that came on it.
  std::uint32_t requests = 0;
  /// The series of an inbound listener's requests; null until the first.
  telemetry::EndsSeries* inbound_series = nullptr;
  /// Of the access log: AccessRecord::Kept::client.
  std::string log_fields;

 private:
  /// The listener's when it came.
  const std::uint32_t generation_;
  void count_streams();
  std::uint32_t under_way_ = 1;
  std::uint32_t streams_ = 0;
  /// All that it carries are streams: ListenerState::streams counts it.
  bool has_only_streams_ = false;
  /// The gauge that it counts in; null: its other end is a chain of this process, which counts it.
  std::uint64_t* active_ = nullptr;
};

}  // namespace weft::proxy
