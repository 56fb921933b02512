#include "telemetry/shard.h"

namespace weft::telemetry {
namespace {

/// Most pairs of status and flag that one pair of ends tells apart.
constexpr std::size_t max_outcomes = 64;
constexpr std::int8_t no_grpc = -1;

std::string known(const std::string& name) { return name.empty() ? "unknown" : name; }

Labels labels_of(const Ends& ends) {
  const auto service = known(ends.service);
  const auto service_namespace = known(ends.service_namespace);
  return {{"reporter", ends.reporter == Reporter::source ? "source" : "destination"},
          {"source_workload", known(ends.source_workload)},
          {"source_workload_namespace", known(ends.source_workload_namespace)},
          {"destination_workload", known(ends.destination_workload)},
          {"destination_service",
           ends.service.empty() ? "unknown" : service + "." + service_namespace + ".svc.cluster.local"},
          {"destination_service_name", service},
          {"destination_service_namespace", service_namespace}};
}

void read_tls(Samples& into, const std::string& side, const TlsCounters& tls) {
  const Labels labels{{"side", side}};
  into.add("weft_tls_handshakes_total", "Handshakes of TLS that were completed.", Kind::counter, labels,
           tls.handshakes);
  into.add("weft_tls_resumed_total", "Handshakes of TLS that went on with an earlier session.", Kind::counter,
           labels, tls.resumed);
  for (std::size_t i = 0; i < tls.failures.size(); ++i) {
    into.add("weft_tls_handshake_failures_total", "Handshakes of TLS that failed.", Kind::counter,
             {{"side", side}, {"reason", std::string(TlsCounters::reasons[i])}}, tls.failures[i]);
  }
}

}  // namespace

void EndsSeries::request(int status, ResponseFlag flag, std::chrono::nanoseconds duration,
                         std::optional<int> grpc_status) {
  if (!grpc_status) {
    durations_.observe(duration);
  } else {
    if (!grpc_durations_) grpc_durations_ = std::make_unique<Histogram>();
    grpc_durations_->observe(duration);
  }
  const auto code = static_cast<std::uint16_t>(status);
  const auto grpc = static_cast<std::int8_t>(grpc_status.value_or(no_grpc));
  for (auto& outcome : outcomes_) {
    if (outcome.status == code && outcome.flag == flag && outcome.grpc_status == grpc) {
      ++outcome.count;
      return;
    }
  }
  if (outcomes_.size() < max_outcomes) {
    outcomes_.push_back({code, flag, grpc, 1});
  } else {
    ++other_outcomes_;
  }
}

void EndsSeries::read(Samples& into) const {
  const auto labels = labels_of(ends_);
  const auto add = [&](const std::string& code, std::string_view flags, int grpc, std::uint64_t count) {
    auto all = labels;
    all.emplace_back("request_protocol", grpc == no_grpc ? "http" : "grpc");
    all.emplace_back("response_code", code);
    if (grpc != no_grpc) all.emplace_back("grpc_response_status", std::to_string(grpc));
    all.emplace_back("response_flags", std::string(flags));
    into.add("istio_requests_total", "Requests, by their two ends and their outcome.", Kind::counter, all,
             count);
  };
  for (const auto& outcome : outcomes_) {
    add(std::to_string(outcome.status), letters(outcome.flag), outcome.grpc_status, outcome.count);
  }
  if (other_outcomes_ > 0) add("other", "other", no_grpc, other_outcomes_);
  const auto add_durations = [&](std::string_view protocol, const Histogram& durations) {
    auto all = labels;
    all.emplace_back("request_protocol", protocol);
    into.add("istio_request_duration_milliseconds", "Time from a request's head to the end of its response.",
             all, durations);
  };
  if (durations_.count() > 0) add_durations("http", durations_);
  if (grpc_durations_) add_durations("grpc", *grpc_durations_);
  if (tcp_opened_ == 0) return;
  auto all = labels;
  all.emplace_back("request_protocol", "tcp");
  into.add("istio_tcp_connections_opened_total", "Opaque connections and tunnels opened.", Kind::counter, all,
           tcp_opened_);
  into.add("istio_tcp_connections_closed_total", "Opaque connections and tunnels closed.", Kind::counter, all,
           tcp_closed_);
  into.add("istio_tcp_received_bytes_total", "Bytes from clients.", Kind::counter, all, tcp_received_);
  into.add("istio_tcp_sent_bytes_total", "Bytes to clients.", Kind::counter, all, tcp_sent_);
}

EndsSeries& Shard::ends(const Ends& ends) {
  if (const auto found = by_ends_.find(ends); found != by_ends_.end()) return *found->second;
  if (series_.size() >= max_ends) {
    Ends other;
    other.reporter = ends.reporter;
    for (auto* name : {&other.source_workload, &other.source_workload_namespace, &other.service,
                       &other.service_namespace, &other.destination_workload}) {
      *name = "other";
    }
    if (ends != other) {
      if (const auto found = by_ends_.find(other); found != by_ends_.end()) return *found->second;
      return *by_ends_.emplace(other, &series_.emplace_back(other)).first->second;
    }
  }
  return *by_ends_.emplace(ends, &series_.emplace_back(ends)).first->second;
}

Samples Shard::read() const {
  Samples samples;
  for (const auto& series : series_) series.read(samples);
  const auto add = [&samples](std::string_view name, std::string_view help, Kind kind, std::uint64_t value) {
    samples.add(name, help, kind, std::string(), value);
  };
  add("weft_downstream_connections_total", "Connections accepted.", Kind::counter,
      proxy.downstream_connections);
  add("weft_downstream_connections_active", "Connections of clients now.", Kind::gauge,
      proxy.downstream_connections_active);
  add("weft_upstream_connections_total", "Connections made to endpoints.", Kind::counter,
      proxy.upstream_connections);
  add("weft_upstream_connections_active", "Connections to endpoints now.", Kind::gauge,
      proxy.upstream_connections_active);
  add("weft_local_connections_total", "Connections between two chains of this process.", Kind::counter,
      proxy.local_connections);
  add("weft_local_connections_active", "Connections between two chains of this process now.", Kind::gauge,
      proxy.local_connections_active);
  add("weft_streams_active", "Connections that carry nothing but tunnels and streams of events now.",
      Kind::gauge, proxy.streams_active);
  add("weft_splice_pipes", "Pipes that move bulk of tunnels within the kernel, spare ones included.",
      Kind::gauge, proxy.splice_pipes);
  add("weft_upstream_connect_failures_total", "Connections to endpoints that failed.", Kind::counter,
      proxy.upstream_connect_failures);
  add("weft_requests_active", "Requests under way.", Kind::gauge, proxy.requests_active);
  add("weft_retries_total", "Requests sent again.", Kind::counter, proxy.retries);
  add("weft_refused_total", "Requests and opaque connections that were refused.", Kind::counter,
      proxy.refused);
  add("weft_protocol_errors_total", "Malformed requests of clients.", Kind::counter, proxy.protocol_errors);
  add("weft_accept_backoffs_total", "Times that accepting paused for want of descriptors or memory.",
      Kind::counter, proxy.accept_backoffs);
  add("weft_snapshots_applied_total", "Snapshots taken into force, summed over the workers.", Kind::counter,
      proxy.snapshots_applied);
  read_tls(samples, "downstream", proxy.downstream_tls);
  read_tls(samples, "upstream", proxy.upstream_tls);
  return samples;
}

}  // namespace weft::telemetry
