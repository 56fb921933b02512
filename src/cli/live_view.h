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
  /// Endpoints; nothing as long as the control plane has not counted them.
  std::optional<std::int64_t> ready;
  std::optional<std::int64_t> total;
  Cell state;
  /// What it waits for, as far as that is more than its state; only of LiveView::Also::workloads.
  std::string why;
  std::vector<std::string> urls;
  /// Requests since the proxy started; nothing if it has never told.
  std::optional<double> requests;
  /// Within the interval; nothing if the proxy does not tell. Without any request the rest is unknown.
  std::optional<double> per_second;
  std::optional<double> success;
  std::optional<double> p50_ms;
  std::optional<double> p99_ms;
};

/// Looks at the mesh from time to time and says what happened between two looks.
class LiveView {
 public:
  /// What is looked at beside Services: nothing, or the Deployments that none selects and the Jobs, as
  /// "job/migrate", and why what is not ready is not.
  enum class Also : bool { nothing, workloads };
  /// `ns` empty: all namespaces.
  LiveView(Session& session, std::string ns, Also also = Also::nothing)
      : session_(session), ns_(std::move(ns)), also_(also) {}

  /// Services and then workloads, each sorted by namespace and name. If the proxy cannot be reached just now,
  /// the next look spans both intervals.
  runtime::Task<Result<std::vector<ServiceLine>>> look();

 private:
  runtime::Task<Result<std::vector<ServiceLine>>> look_at_workloads(std::vector<base::Json> services);

  Session& session_;
  std::string ns_;
  Also also_;
  Traffic before_;
  base::MonoTime at_{};
};

/// Which columns stay longest where there is little room.
enum class Focus : std::uint8_t { addresses, numbers };

/// Header and rows as they are shown to people.
Shown render(const std::vector<ServiceLine>& lines, bool colour);
/// The same in no more columns than the terminal has: those of little use fall away, a long name is cut.
Shown render_all(const std::vector<ServiceLine>& lines, bool colour, Focus focus);
/// The same for a whole screen, with `footer` as its last line. If there are too many rows, the first are
/// those that are not well, or, where the numbers matter, have most to do, and the rest is counted.
Shown render_screen(const std::vector<ServiceLine>& lines, bool colour, Focus focus, TerminalSize size,
                    std::string_view footer);
base::Json to_json(const std::vector<ServiceLine>& lines);

}  // namespace weft::cli
