// Prometheus text into the numbers that the commands show.
#include "cli/metrics.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "http/grpc/status.h"

namespace weft::cli {

namespace {

/// Takes one `name="value"` from the front of `text`; false when it is malformed.
bool take_label(std::string_view& text, std::map<std::string, std::string>& labels) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || text.size() <= equals + 1 || text[equals + 1] != '"') return false;
  const std::string name(text.substr(0, equals));
  std::string value;
  std::size_t at = equals + 2;
  for (; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      value += text[at];
      continue;
    }
    ++at;
    value += text[at] == 'n' ? '\n' : text[at];
  }
  if (at == text.size()) return false;
  text.remove_prefix(at + 1);
  labels.emplace(name, std::move(value));
  return true;
}

std::optional<double> parse_value(std::string_view text) {
  if (text == "+Inf" || text == "Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Inf") return -std::numeric_limits<double>::infinity();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Sample> parse_sample(std::string_view line) {
  Sample sample;
  const auto name_end = line.find_first_of("{ ");
  if (name_end == std::string_view::npos || name_end == 0) return std::nullopt;
  sample.name = line.substr(0, name_end);
  line.remove_prefix(name_end);
  if (line.front() == '{') {
    line.remove_prefix(1);
    while (!line.empty() && line.front() != '}') {
      if (line.front() == ',' || line.front() == ' ') {
        line.remove_prefix(1);
      } else if (!take_label(line, sample.labels)) {
        return std::nullopt;
      }
    }
    if (line.empty()) return std::nullopt;
    line.remove_prefix(1);
  }
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  auto value = parse_value(line.substr(0, line.find(' ')));
  if (!value) return std::nullopt;
  sample.value = *value;
  return sample;
}

std::string qualified(std::string_view ns, std::string_view name) {
  return std::string(ns) + "/" + std::string(name);
}

std::string service_of(const Sample& sample) {
  return qualified(sample.label("destination_service_namespace"), sample.label("destination_service_name"));
}

bool is_failure(const Sample& request) {
  const auto code = request.label("response_code");
  if (code.empty() || code.front() == '5' || code.front() == '0') return true;
  const auto grpc = parse_value(request.label("grpc_response_status"));
  return grpc && http::grpc::is_of_service(static_cast<http::grpc::Code>(*grpc));
}

}  // namespace

std::string_view Sample::label(std::string_view key) const {
  auto found = labels.find(std::string(key));
  return found == labels.end() ? std::string_view() : std::string_view(found->second);
}

std::vector<Sample> parse_metrics(std::string_view text) {
  std::vector<Sample> samples;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    if (auto sample = parse_sample(line)) samples.push_back(std::move(*sample));
  }
  return samples;
}

EdgeCounts requests_by_edge(const std::vector<Sample>& samples) {
  EdgeCounts counts;
  for (const auto& sample : samples) {
    if (sample.name != "istio_requests_total") continue;
    Edge edge{std::string(sample.label("reporter")),
              qualified(sample.label("source_workload_namespace"), sample.label("source_workload")),
              service_of(sample)};
    counts[edge] += static_cast<std::uint64_t>(std::llround(sample.value));
  }
  return counts;
}

EdgeCounts difference(const EdgeCounts& before, const EdgeCounts& after) {
  EdgeCounts result;
  for (const auto& [edge, count] : after) {
    auto found = before.find(edge);
    // A counter below its former value was started anew with its process.
    const std::uint64_t base = found == before.end() || found->second > count ? 0 : found->second;
    if (count > base) result[edge] = count - base;
  }
  return result;
}

Traffic traffic_by_service(const std::vector<Sample>& samples) {
  Traffic traffic;
  for (const auto& sample : samples) {
    if (sample.label("reporter") != "destination") continue;
    if (sample.name == "istio_requests_total") {
      auto& service = traffic[service_of(sample)];
      service.requests += sample.value;
      if (is_failure(sample)) service.failures += sample.value;
    } else if (sample.name == "istio_request_duration_milliseconds_bucket") {
      if (auto bound = parse_value(sample.label("le")))
        traffic[service_of(sample)].latency[*bound] += sample.value;
    }
  }
  return traffic;
}

Traffic difference(const Traffic& before, const Traffic& after) {
  Traffic result = after;
  for (auto& [name, service] : result) {
    auto found = before.find(name);
    if (found == before.end() || found->second.requests > service.requests) continue;
    service.requests -= found->second.requests;
    service.failures -= found->second.failures;
    for (auto& [bound, count] : service.latency) {
      auto old = found->second.latency.find(bound);
      if (old != found->second.latency.end()) count -= old->second;
    }
  }
  return result;
}

std::optional<double> quantile(const std::map<double, double>& cumulative, double q) {
  if (cumulative.empty() || cumulative.rbegin()->second <= 0) return std::nullopt;
  const double rank = q * cumulative.rbegin()->second;
  double lower = 0;
  double below = 0;
  for (const auto& [bound, count] : cumulative) {
    if (count >= rank) {
      if (std::isinf(bound)) return lower;
      if (count <= below) return bound;
      return lower + (bound - lower) * (rank - below) / (count - below);
    }
    lower = bound;
    below = count;
  }
  return lower;
}

}  // namespace weft::cli
