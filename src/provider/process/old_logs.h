// The logs of instances that are gone: kept for a while, for whoever wants to know what happened.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <string>

#include "base/clock.h"

namespace weft::provider::process {

struct OldLogLimits {
  /// A log that was not written to for so long is deleted.
  std::chrono::hours age = std::chrono::days(7);
  /// All of them together; the newest are kept. Sixteen that were as large as they may be (LogLimits).
  std::uint64_t bytes = std::uint64_t{256} * 1024 * 1024;
  /// So many at most, so that they are found quickly.
  std::size_t count = 1000;
};

/// Deletes those in `folder` that are beyond the limits, with what stands beside them, and closes the rest.
/// `present` are the names of logs that are in use. The runs of those that nobody has closed ended together,
/// with their supervisor: that is noted as the time at which one of them was last heard of.
void remove_old_logs(const std::string& folder, const std::set<std::string>& present, base::WallTime now,
                     OldLogLimits limits);

/// This process's own output, if it goes to a file: at this size it becomes `<path>.1` and begins anew.
inline constexpr std::uint64_t most_own_output = std::uint64_t{1} << 20;
/// `fd` is the one that it goes to (appending, for others have it too), `path` the file's.
void bound_own_output(int fd, const std::string& path);

}  // namespace weft::provider::process
