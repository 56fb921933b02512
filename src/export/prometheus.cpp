#include "export/prometheus.h"

#include <fmt/format.h>

namespace weft::exporter {
namespace {

using telemetry::Kind;

std::string_view type_name(Kind kind) {
  switch (kind) {
    case Kind::counter: return "counter";
    case Kind::gauge: return "gauge";
    case Kind::histogram: return "histogram";
  }
  return "untyped";
}

void write_histogram(std::string& text, std::string_view name, std::string_view labels,
                     const telemetry::Histogram& histogram) {
  const auto* separator = labels.empty() ? "" : ",";
  std::uint64_t below = 0;
  auto out = std::back_inserter(text);
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    below += histogram.counts[i];
    const auto bound = i < telemetry::latency_bounds_ms.size()
                           ? fmt::format("{}", telemetry::latency_bounds_ms[i])
                           : std::string("+Inf");
    fmt::format_to(out, "{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels, separator, bound, below);
  }
  const auto braced = labels.empty() ? std::string() : fmt::format("{{{}}}", labels);
  fmt::format_to(out, "{}_sum{} {}\n{}_count{} {}\n", name, braced,
                 static_cast<double>(histogram.sum_ns) / 1e6, name, braced, below);
}

}  // namespace

std::string prometheus_text(const telemetry::Samples& samples) {
  std::string text;
  auto out = std::back_inserter(text);
  for (const auto& [name, family] : samples.families()) {
    fmt::format_to(out, "# HELP {} {}\n# TYPE {} {}\n", name, family.help, name, type_name(family.kind));
    for (const auto& [labels, value] : family.values) {
      if (labels.empty()) {
        fmt::format_to(out, "{} {}\n", name, value);
      } else {
        fmt::format_to(out, "{}{{{}}} {}\n", name, labels, value);
      }
    }
    for (const auto& [labels, histogram] : family.histograms) write_histogram(text, name, labels, histogram);
  }
  return text;
}

}  // namespace weft::exporter
