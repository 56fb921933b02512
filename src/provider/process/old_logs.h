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
};

/// The name of an instance's log in the folder of logs: "default_web-x7k2p.log". The _ is in no name of an
/// instance, and in none of the logs of weft's own processes.
std::string log_name(std::string id);

/// Deletes those in `folder` that are beyond the limits. `present` are the names of logs that are in use.
void remove_old_logs(const std::string& folder, const std::set<std::string>& present, base::WallTime now,
                     OldLogLimits limits);

/// This process's own output, if it goes to a file: at this size it becomes `<path>.1` and begins anew.
inline constexpr std::uint64_t most_own_output = std::uint64_t{1} << 20;
/// `fd` is the one that it goes to (appending, for others have it too), `path` the file's.
void bound_own_output(int fd, const std::string& path);

}  // namespace weft::provider::process
