// Time as a thing that is passed in, so that a test can drive it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace weft::base {

using Duration = std::chrono::nanoseconds;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  /// Never goes back; for time limits and latencies.
  virtual MonoTime now() const = 0;
  /// Calendar time in UTC; for what people and other machines read.
  virtual WallTime wall() const = 0;
};

/// The machine's own clock.
Clock& system_clock();

/// A clock that moves only when told to.
class ManualClock final : public Clock {
 public:
  MonoTime now() const override { return now_; }
  WallTime wall() const override { return wall_; }
  void advance(Duration by) {
    now_ += by;
    wall_ += by;
  }

 private:
  MonoTime now_{std::chrono::hours(1)};
  WallTime wall_{std::chrono::seconds(1'700'000'000)};
};

/// RFC 3339 in UTC with whole seconds, as Kubernetes writes times: 2026-01-31T08:00:00Z.
std::string format_rfc3339(WallTime time);
/// The same with microseconds, for logs and Kubernetes' MicroTime.
std::string format_rfc3339_micro(WallTime time);
/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7).
std::string format_http_date(WallTime time);
std::optional<WallTime> parse_rfc3339(std::string_view text);

/// A duration as Go and the Gateway API (GEP-2257) write it: 1h30m, 250ms, 0s. Nothing if it is malformed or
/// overflows.
std::optional<Duration> parse_duration(std::string_view text);
std::string format_duration(Duration duration);

}  // namespace weft::base
