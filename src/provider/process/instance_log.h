// Whose a log is: what stands beside it in the folder of logs, so that it can be found when its instance, its
// workload and the mesh are gone.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace weft::provider::process {

/// One life of an instance's process.
struct LoggedRun {
  base::WallTime started;
  /// Nothing while it goes on. Of one whose supervisor was killed, what is known of that time.
  std::optional<base::WallTime> ended;
  /// "exit code 1", "signal 9 (SIGKILL)"; empty of one whose supervisor was killed.
  std::string exit;
};

struct InstanceLog {
  /// "<namespace>/<name>".
  std::string id;
  /// The file; its older part is `<path>.1`.
  std::string path;
  /// The instance is gone: nothing is written any more.
  bool is_closed = false;
  /// Those that it was started with; empty if that could not be noted (a full disk).
  std::map<std::string, std::string> labels;
  /// The last ones, at most kept_runs.
  std::vector<LoggedRun> runs;
};

/// The one that goes on and the one before it.
inline constexpr std::size_t kept_runs = 2;

/// The name of an instance's log in the folder of logs: "default_web-x7k2p.log". The _ is in no name of an
/// instance, and in none of the logs of weft's own processes.
std::string log_name(std::string id);
/// Of a file in the folder of logs, the name of the log that it is a part of or stands beside
/// ("default_web-x7k2p.log"); empty if it is of no instance.
std::string name_of_log(std::string file);

/// Notes beside the log what is known of it; whether that could be written. If not (a full disk), the log is
/// found by the name of its instance alone.
bool note_log(const InstanceLog& log);
/// From now on nothing more is written to it: its readers see its end.
void close_log(const std::string& path);
/// Of a log that was closed: it is written again.
void reopen_log(const std::string& path);

/// What is known of the log of that name in `folder`; nothing if it does not exist.
std::optional<InstanceLog> find_log(const std::string& folder, const std::string& name);
/// All in `folder`, by id.
std::vector<InstanceLog> list_logs(const std::string& folder);

}  // namespace weft::provider::process
