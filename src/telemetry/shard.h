// A worker's share of the metrics: plain adds by the one thread that owns it. Other threads read it by asking
// that thread for Samples.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/flags.h"
#include "telemetry/samples.h"

namespace weft::telemetry {

/// What is known of a request's or connection's two ends before it is answered. "unknown" where empty.
struct Ends {
  Reporter reporter = Reporter::source;
  std::string source_workload;
  std::string source_workload_namespace;
  /// The service that was called: "cart" in "default".
  std::string service;
  std::string service_namespace;
  std::string destination_workload;

  friend auto operator<=>(const Ends&, const Ends&) = default;
};

/// The series of one pair of ends: istio_requests_total, istio_request_duration_milliseconds, istio_tcp_*.
class EndsSeries {
 public:
  explicit EndsSeries(Ends ends) : ends_(std::move(ends)) {}

  /// One request that is over. `status` is what the client was answered, 0 if nothing; `grpc_status` the end
  /// of a call of gRPC.
  void request(int status, ResponseFlag flag, std::chrono::nanoseconds duration,
               std::optional<int> grpc_status = {});

  void tcp_opened() { ++tcp_opened_; }
  void tcp_closed() { ++tcp_closed_; }
  /// Bytes from the client to the service.
  void tcp_received(std::uint64_t bytes) { tcp_received_ += bytes; }
  /// Bytes from the service to the client.
  void tcp_sent(std::uint64_t bytes) { tcp_sent_ += bytes; }

  const Ends& ends() const { return ends_; }
  void read(Samples& into) const;

 private:
  struct Outcome {
    std::uint16_t status;
    ResponseFlag flag;
    /// no_grpc: it was no call of gRPC.
    std::int8_t grpc_status;
    std::uint64_t count = 0;
  };
  Ends ends_;
  /// A handful in practice; bounded by max_outcomes.
  std::vector<Outcome> outcomes_;
  /// Requests whose outcome came after those.
  std::uint64_t other_outcomes_ = 0;
  Histogram durations_;
  /// Of calls of gRPC; null: there was none.
  std::unique_ptr<Histogram> grpc_durations_;
  std::uint64_t tcp_opened_ = 0;
  std::uint64_t tcp_closed_ = 0;
  std::uint64_t tcp_received_ = 0;
  std::uint64_t tcp_sent_ = 0;
};

/// Handshakes of TLS with clients, or with endpoints.
struct TlsCounters {
  /// What may be wrong, in the order of tls::FaultKind.
  static constexpr std::array<std::string_view, 6> reasons{"io",       "timeout",     "not_tls",
                                                           "protocol", "certificate", "refused"};
  std::uint64_t handshakes = 0;
  std::uint64_t resumed = 0;  // of those
  std::array<std::uint64_t, reasons.size()> failures{};
};

/// The proxy's own counters: one word each.
struct ProxyCounters {
  std::uint64_t downstream_connections = 0;         // accepted, ever
  std::uint64_t downstream_connections_active = 0;  // now
  std::uint64_t upstream_connections = 0;
  std::uint64_t upstream_connections_active = 0;
  std::uint64_t local_connections = 0;  // between two chains of this process, over memory
  std::uint64_t local_connections_active = 0;
  std::uint64_t streams_active = 0;  // connections that carry tunnels and streams of events alone
  std::uint64_t splice_pipes = 0;    // now
  std::uint64_t upstream_connect_failures = 0;
  std::uint64_t requests_active = 0;
  std::uint64_t retries = 0;
  std::uint64_t refused = 0;          // answered by the proxy itself
  std::uint64_t protocol_errors = 0;  // of clients
  std::uint64_t accept_backoffs = 0;  // out of descriptors or memory
  std::uint64_t snapshots_applied = 0;
  TlsCounters downstream_tls;
  TlsCounters upstream_tls;
};

class Shard {
 public:
  /// Most label sets of ends in one shard. What comes after is counted under the ends "other".
  static constexpr std::size_t max_ends = 20'000;

  /// The series of these ends; valid as long as the shard.
  EndsSeries& ends(const Ends& ends);
  Samples read() const;

  ProxyCounters proxy;

 private:
  std::deque<EndsSeries> series_;
  std::map<Ends, EndsSeries*> by_ends_;
};

}  // namespace weft::telemetry
