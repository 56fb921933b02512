// The live table of `up` and `top`: each service with its instances, readiness, traffic and address.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "cli/metrics.h"
#include "cli/session.h"
#include "cli/terminal.h"

namespace weft::cli {

/// What one service is and does.
struct ServiceLine {
  std::string ns;
  std::string name;
  std::int64_t ready = 0;
  std::int64_t total = 0;
  Cell state;
  std::vector<std::string> urls;
  /// Requests since the proxy started.
  double requests = 0;
  /// Within the interval; without any request the rest is unknown.
  double per_second = 0;
  std::optional<double> success;
  std::optional<double> p50_ms;
  std::optional<double> p99_ms;
};

/// Looks at the mesh from time to time and says what happened between two looks.
class LiveView {
 public:
  /// `ns` empty: all namespaces.
  LiveView(Session& session, std::string ns) : session_(session), ns_(std::move(ns)) {}

  /// Sorted by namespace and name. What cannot be reached just now keeps its former numbers.
  runtime::Task<Result<std::vector<ServiceLine>>> look();

 private:
  Session& session_;
  std::string ns_;
  Traffic before_;
  base::MonoTime at_{};
};

/// Header and rows as they are shown to people.
Shown render(const std::vector<ServiceLine>& lines, bool colour);
base::Json to_json(const std::vector<ServiceLine>& lines);

}  // namespace weft::cli
