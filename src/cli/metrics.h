// The proxy's metrics as `weft up` and `weft top` use them: read from Prometheus' text format, compared,
// summed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::cli {

/// One line of the text format.
struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;

  /// The label's value, empty if there is none.
  std::string_view label(std::string_view key) const;
};

/// Reads Prometheus' text exposition format (version 0.0.4). Lines that are not samples are passed over.
std::vector<Sample> parse_metrics(std::string_view text);

/// Who called whom, as the standard metrics say it.
struct Edge {
  std::string reporter;     // "source" or "destination"
  std::string source;       // the calling workload, "namespace/name"
  std::string destination;  // the called service, "namespace/name"

  friend auto operator<=>(const Edge&, const Edge&) = default;
};

/// istio_requests_total, summed over all other labels.
using EdgeCounts = std::map<Edge, std::uint64_t>;
EdgeCounts requests_by_edge(const std::vector<Sample>& samples);
/// What `after` has more than `before`, without zeros.
EdgeCounts difference(const EdgeCounts& before, const EdgeCounts& after);

/// What one service has done: its requests as the destination saw them.
struct ServiceTraffic {
  double requests = 0;
  /// Requests with a status of 500 and above or without any.
  double failures = 0;
  /// Cumulative counts of istio_request_duration_milliseconds by upper bound (infinity last).
  std::map<double, double> latency;
};

/// By "namespace/name" of the service.
using Traffic = std::map<std::string, ServiceTraffic>;
Traffic traffic_by_service(const std::vector<Sample>& samples);
Traffic difference(const Traffic& before, const Traffic& after);

/// The quantile (0..1) of a cumulative histogram by linear interpolation, as PromQL's histogram_quantile has
/// it. Nothing if there is no observation.
std::optional<double> quantile(const std::map<double, double>& cumulative, double q);

}  // namespace weft::cli
