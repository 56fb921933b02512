// The processes that this one started, and the orphans that fall to it as their subreaper.
#pragma once

#include <sys/types.h>

#include <memory>
#include <unordered_map>

#include "base/clock.h"
#include "runtime/combine.h"
#include "runtime/process.h"

namespace weft::provider::process {

/// One that was started here.
struct Process {
  pid_t pid = -1;
  runtime::Event ended;  // set when it has been reaped; the two below are valid then
  runtime::ExitStatus status;
  base::WallTime ended_at;

  bool is_running() const { return !ended.is_set(); }
};

struct CarriedProcess;
/// For whom goes on in this process's place.
CarriedProcess carry(const Process& process);

/// Starts and reaps. All reaping is in one place, for a subreaper gets children that it never started.
class Processes {
 public:
  explicit Processes(base::Clock& clock) : clock_(clock) {}

  /// runtime::spawn, and a Process that tells of its end.
  runtime::IoResult<std::shared_ptr<Process>> spawn(const runtime::SpawnOptions& options);
  /// A child that this process had when it was another program.
  std::shared_ptr<Process> adopt(const CarriedProcess& child);
  /// Reaps all that have ended. To be called after each SIGCHLD.
  void reap();
  bool is_own(pid_t pid) const { return running_.contains(pid); }

 private:
  base::Clock& clock_;
  std::unordered_map<pid_t, std::shared_ptr<Process>> running_;
};

}  // namespace weft::provider::process
