// Metric values at rest: what shards are read into, merged, and written out from.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::telemetry {

/// Upper bounds of the latency buckets in milliseconds: 1-2.5-5 steps, so that a p99 is good to a factor
/// of 2.5 (less with interpolation). The last bucket has no bound.
inline constexpr std::array<double, 19> latency_bounds_ms = {
    0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000};

/// Counts by bucket (not cumulative), their sum in nanoseconds.
struct Histogram {
  std::array<std::uint64_t, latency_bounds_ms.size() + 1> counts{};
  std::uint64_t sum_ns = 0;

  void observe(std::chrono::nanoseconds value);
  void add(const Histogram& other);
  std::uint64_t count() const;
  /// The value in milliseconds below which `share` (0 to 1) of the observations lie, by linear interpolation
  /// within the bucket; 0 if there are none.
  double quantile_ms(double share) const;

  friend bool operator==(const Histogram&, const Histogram&) = default;
};

enum class Kind : std::uint8_t { counter, gauge, histogram };

using Labels = std::vector<std::pair<std::string_view, std::string>>;

/// All series of one metric. The key is the label set as Prometheus writes it between the braces.
struct Family {
  std::string help;
  Kind kind = Kind::counter;
  std::map<std::string, std::uint64_t> values;  // counter, gauge
  std::map<std::string, Histogram> histograms;  // histogram
};

/// Families by metric name.
class Samples {
 public:
  /// Adds to what the series has already.
  void add(std::string_view name, std::string_view help, Kind kind, const Labels& labels,
           std::uint64_t value);
  void add(std::string_view name, std::string_view help, const Labels& labels, const Histogram& value);
  void add(std::string_view name, std::string_view help, Kind kind, const std::string& labels,
           std::uint64_t value);
  void add(std::string_view name, std::string_view help, const std::string& labels, const Histogram& value);
  void merge(const Samples& other);

  const std::map<std::string, Family, std::less<>>& families() const { return families_; }
  /// The sum of a counter's or gauge's series (or of a histogram's counts) that carry all of `labels`.
  std::uint64_t total(std::string_view name, const Labels& labels = {}) const;

 private:
  Family& family(std::string_view name, std::string_view help, Kind kind);
  std::map<std::string, Family, std::less<>> families_;
};

/// `key="value",...` with Prometheus' escapes.
std::string render(const Labels& labels);

}  // namespace weft::telemetry
