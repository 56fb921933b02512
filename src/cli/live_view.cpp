// Numbers of a time span: the difference of two scrapes.
#include "cli/live_view.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <span>
#include <tuple>

#include "base/width.h"
#include "cli/mesh.h"
#include "cli/objects.h"
#include "cli/readiness.h"
#include "model/kinds.h"

namespace weft::cli {

using base::Json;
using runtime::Task;

namespace {

ServiceLine line_of(const Json& service) {
  ServiceLine line;
  line.ns = namespace_of(service);
  line.name = name_of(service);
  if (value_at(service, "/status/endpoints").is_object()) {
    line.ready = number_at(service, "/status/endpoints/ready");
    line.total = number_at(service, "/status/endpoints/total");
  }
  line.state = state_cell(service);
  line.urls = urls_of(service);
  return line;
}

/// Why it is not done, unless its state says as much.
std::string why_of(const Json& object, const Cell& state) {
  const auto progress = progress_of(object);
  return progress.done || progress.text == state.text ? std::string() : progress.text;
}

ServiceLine workload_line(const Json& workload) {
  ServiceLine line;
  line.ns = namespace_of(workload);
  line.name = kind_and_name(workload);
  const bool is_job = text_at(workload, "/kind") == "Job";
  line.ready = number_at(workload, is_job ? "/status/succeeded" : "/status/readyReplicas");
  line.total = number_at(workload, is_job ? "/spec/completions" : "/spec/replicas", 1);
  line.state = state_cell(workload);
  line.why = why_of(workload, line.state);
  return line;
}

void add_traffic(ServiceLine& line, const ServiceTraffic& span, double seconds) {
  line.per_second = span.requests / seconds;
  if (span.requests <= 0) return;
  line.success = 1 - span.failures / span.requests;
  line.p50_ms = quantile(span.latency, 0.50);
  line.p99_ms = quantile(span.latency, 0.99);
}

std::string milliseconds(const std::optional<double>& value) {
  if (!value) return "-";
  return *value < 10 ? fmt::format("{:.2f}ms", *value) : fmt::format("{:.0f}ms", *value);
}

template <class Number>
Json number_or_null(const std::optional<Number>& value) {
  return value ? Json(*value) : Json();
}

std::string count_text(const std::optional<std::int64_t>& count) {
  return count ? std::to_string(*count) : "-";
}

}  // namespace

Task<Result<std::vector<ServiceLine>>> LiveView::look() {
  auto services = co_await session_.api.list(rest_path(*model::find_kind("Service"), ns_));
  if (!services) co_return std::unexpected(std::move(services.error()));
  auto samples = co_await fetch_metrics(session_.reactor, session_.home);
  const auto now = session_.reactor.clock().now();
  Traffic after = samples ? traffic_by_service(*samples) : before_;
  const Traffic span = difference(before_, after);
  const bool was_told = at_ != base::MonoTime{};
  const double seconds = samples && was_told ? std::chrono::duration<double>(now - at_).count() : 0;
  std::vector<ServiceLine> lines;
  for (const Json& service : *services) {
    auto line = line_of(service);
    if (also_ == Also::workloads) line.why = why_of(service, line.state);
    const std::string key = line.ns + "/" + line.name;
    if (samples || was_told) line.requests = after[key].requests;
    if (seconds > 0) {
      const auto found = span.find(key);
      add_traffic(line, found == span.end() ? ServiceTraffic() : found->second, seconds);
    }
    lines.push_back(std::move(line));
  }
  if (samples) {
    before_ = std::move(after);
    at_ = now;
  }
  if (also_ == Also::nothing) co_return lines;
  auto workloads = co_await look_at_workloads(std::move(*services));
  if (!workloads) co_return workloads;
  std::ranges::move(*workloads, std::back_inserter(lines));
  co_return lines;
}

Task<Result<std::vector<ServiceLine>>> LiveView::look_at_workloads(std::vector<Json> services) {
  std::vector<ServiceLine> lines;
  for (const auto* kind : {"Deployment", "Job"}) {
    auto workloads = co_await session_.api.list(rest_path(*model::find_kind(kind), ns_));
    if (!workloads) co_return std::unexpected(std::move(workloads.error()));
    for (const Json& workload : *workloads) {
      if (std::ranges::none_of(services, [&](const Json& service) { return selects(service, workload); }))
        lines.push_back(workload_line(workload));
    }
  }
  co_return lines;
}

namespace {

const std::vector<std::string> header = {"SERVICE", "READY", "STATUS", "REQUESTS",
                                         "SUCCESS", "P50",   "P99",    "URL"};

Row row_of(const ServiceLine& line) {
  const Colour success = !line.success ? Colour::dim : *line.success >= 0.999 ? Colour::green : Colour::red;
  return {{line.ns == "default" ? line.name : line.ns + "/" + line.name},
          {fmt::format("{}/{}", count_text(line.ready), count_text(line.total))},
          line.state,
          {line.per_second ? fmt::format("{:.1f}/s", *line.per_second) : "-"},
          {line.success ? fmt::format("{:.1f}%", *line.success * 100) : "-", success},
          {milliseconds(line.p50_ms)},
          {milliseconds(line.p99_ms)},
          {fmt::format("{}", fmt::join(line.urls, " "))}};
}

std::initializer_list<std::string_view> worth(Focus focus) {
  static constexpr std::initializer_list<std::string_view> addresses = {"STATUS",  "READY", "URL", "REQUESTS",
                                                                        "SUCCESS", "P99",   "P50"};
  static constexpr std::initializer_list<std::string_view> numbers = {"REQUESTS", "SUCCESS", "P99", "STATUS",
                                                                      "P50",      "READY",   "URL"};
  return focus == Focus::addresses ? addresses : numbers;
}

/// One address is enough to look at it; more would take the place of the numbers.
Row fitting_row(const ServiceLine& line) {
  auto row = row_of(line);
  if (line.urls.size() > 1) row.back().text = fmt::format("{} +{}", line.urls[0], line.urls.size() - 1);
  return row;
}

bool is_well(const ServiceLine& line) {
  return line.state.colour == Colour::green || line.state.colour == Colour::dim;
}

}  // namespace

Shown render(const std::vector<ServiceLine>& lines, bool colour) {
  std::vector<Row> rows;
  for (const auto& line : lines) rows.push_back(row_of(line));
  return table(header, rows, colour);
}

Shown render_all(const std::vector<ServiceLine>& lines, bool colour, Focus focus) {
  std::vector<Row> rows;
  for (const auto& line : lines) rows.push_back(fitting_row(line));
  const auto size = terminal_size(STDOUT_FILENO);
  return fitted_table(header, std::move(rows), worth(focus), size.columns, colour);
}

Shown render_screen(const std::vector<ServiceLine>& lines, bool colour, Focus focus, TerminalSize size,
                    std::string_view footer) {
  const auto room = static_cast<std::size_t>(std::max(size.rows - 2, 1));  // beside header and footer
  const auto is_unwell = [](const ServiceLine& line) { return !is_well(line); };
  auto shown = lines;
  std::string rest;
  if (lines.size() > room) {
    std::ranges::sort(shown, {}, [focus](const ServiceLine& line) {
      const double rank =
          focus == Focus::numbers ? -line.per_second.value_or(0) : static_cast<double>(is_well(line));
      return std::tuple<double, std::string_view, std::string_view>(rank, line.ns, line.name);
    });
    const auto left = std::span(shown).subspan(room - 1);
    rest = fmt::format("… {} more", left.size());
    if (const auto unwell = std::ranges::count_if(left, is_unwell); unwell > 0)
      rest += fmt::format(", {} of them not ready", unwell);
    shown.resize(room - 1);
  }
  std::vector<Row> rows;
  for (const auto& line : shown) rows.push_back(fitting_row(line));
  auto out = fitted_table(header, std::move(rows), worth(focus), size.columns, colour);
  const auto last = [&](std::string_view text) {
    return paint(base::cut_to(text, size.columns), Colour::dim, colour);
  };
  if (!rest.empty()) {
    out += last(rest);
    out += "\n";
  }
  const auto used = std::ranges::count(out.text(), '\n');
  out += std::string(std::max<std::ptrdiff_t>(size.rows - 1 - used, 0), '\n');
  out += last(footer);
  return out;
}

Json to_json(const std::vector<ServiceLine>& lines) {
  Json services = Json::array();
  for (const auto& line : lines) {
    services.push_back({{"namespace", line.ns},
                        {"name", line.name},
                        {"ready", number_or_null(line.ready)},
                        {"total", number_or_null(line.total)},
                        {"status", line.state.text},
                        {"urls", line.urls},
                        {"requests", number_or_null(line.requests)},
                        {"requestsPerSecond", number_or_null(line.per_second)},
                        {"success", number_or_null(line.success)},
                        {"p50Milliseconds", number_or_null(line.p50_ms)},
                        {"p99Milliseconds", number_or_null(line.p99_ms)}});
  }
  return {{"services", services}};
}

}  // namespace weft::cli
