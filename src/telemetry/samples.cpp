#include "telemetry/samples.h"

#include <algorithm>
#include <numeric>

namespace weft::telemetry {
namespace {

/// Whether the rendered set holds this rendered label, as a whole.
bool holds(std::string_view labels, std::string_view label) {
  for (std::size_t at = 0; (at = labels.find(label, at)) != std::string_view::npos; ++at) {
    const auto end = at + label.size();
    if ((at == 0 || labels[at - 1] == ',') && (end == labels.size() || labels[end] == ',')) return true;
  }
  return false;
}

bool holds_all(std::string_view rendered, const Labels& labels) {
  return std::ranges::all_of(labels, [&](const auto& label) { return holds(rendered, render({label})); });
}

constexpr auto bounds_ns = [] {
  std::array<std::int64_t, latency_bounds_ms.size()> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i)
    bounds[i] = static_cast<std::int64_t>(latency_bounds_ms[i] * 1e6);
  return bounds;
}();

}  // namespace

void Histogram::observe(std::chrono::nanoseconds value) {
  const auto ns = std::max<std::int64_t>(value.count(), 0);
  std::size_t bucket = 0;
  while (bucket < bounds_ns.size() && ns > bounds_ns[bucket]) ++bucket;
  ++counts[bucket];
  sum_ns += static_cast<std::uint64_t>(ns);
}

void Histogram::add(const Histogram& other) {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  sum_ns += other.sum_ns;
}

std::uint64_t Histogram::count() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

double Histogram::quantile_ms(double share) const {
  const auto all = count();
  if (all == 0) return 0;
  const double rank = share * static_cast<double>(all);
  double before = 0;
  for (std::size_t i = 0; i < latency_bounds_ms.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here > 0 && before + here >= rank) {
      const double low = i == 0 ? 0 : latency_bounds_ms[i - 1];
      return low + (latency_bounds_ms[i] - low) * std::clamp((rank - before) / here, 0.0, 1.0);
    }
    before += here;
  }
  return latency_bounds_ms.back();
}

std::string render(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    if (!text.empty()) text += ',';
    text += name;
    text += "=\"";
    for (const char c : value) {
      if (c == '\\' || c == '"') text += '\\';
      if (c == '\n') {
        text += "\\n";
      } else {
        text += c;
      }
    }
    text += '"';
  }
  return text;
}

Family& Samples::family(std::string_view name, std::string_view help, Kind kind) {
  auto found = families_.find(name);
  if (found == families_.end())
    found = families_.emplace(std::string(name), Family{std::string(help), kind, {}, {}}).first;
  return found->second;
}

void Samples::add(std::string_view name, std::string_view help, Kind kind, const std::string& labels,
                  std::uint64_t value) {
  family(name, help, kind).values[labels] += value;
}

void Samples::add(std::string_view name, std::string_view help, const std::string& labels,
                  const Histogram& value) {
  family(name, help, Kind::histogram).histograms[labels].add(value);
}

void Samples::add(std::string_view name, std::string_view help, Kind kind, const Labels& labels,
                  std::uint64_t value) {
  add(name, help, kind, render(labels), value);
}

void Samples::add(std::string_view name, std::string_view help, const Labels& labels,
                  const Histogram& value) {
  add(name, help, render(labels), value);
}

void Samples::merge(const Samples& other) {
  for (const auto& [name, from] : other.families_) {
    auto& into = family(name, from.help, from.kind);
    for (const auto& [labels, value] : from.values) into.values[labels] += value;
    for (const auto& [labels, value] : from.histograms) into.histograms[labels].add(value);
  }
}

std::uint64_t Samples::total(std::string_view name, const Labels& labels) const {
  const auto found = families_.find(name);
  if (found == families_.end()) return 0;
  std::uint64_t sum = 0;
  for (const auto& [rendered, value] : found->second.values) {
    if (holds_all(rendered, labels)) sum += value;
  }
  for (const auto& [rendered, value] : found->second.histograms) {
    if (holds_all(rendered, labels)) sum += value.count();
  }
  return sum;
}

}  // namespace weft::telemetry
