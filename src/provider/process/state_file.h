// supervisor.json: what the supervisor of a home remembers across its lives.
#pragma once

#include <memory>
#include <string>

#include "base/json.h"
#include "runtime/error.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "runtime/work_thread.h"

namespace weft::provider::process {

struct SupervisorState {
  /// Random, made once: marks this home's processes and cgroups even where two homes have one path (chroots).
  std::string identity;
  /// Where the cgroups of the last supervisor were, empty if it used none.
  std::string cgroup_root;
  base::Json ports = base::Json::object();
};

/// Reads it. A file that is not there gives a new state; one that is broken does too, and is kept as
/// `<path>.broken`.
SupervisorState load_state(const std::string& path);
/// Replaces the file at one stroke (a temporary file, fsync, rename): after a power cut it is the old or the
/// new one.
runtime::IoResult<void> save_state(const std::string& path, const SupervisorState& state);

/// Writes it on a thread, for a write waits for the disk.
class StateWriter {
 public:
  StateWriter(runtime::Reactor& reactor, std::string path, std::unique_ptr<runtime::WorkThread> thread);

  /// Ends once it is on disk, or could not be written (which is logged when it begins and when it ends).
  runtime::Task<void> save(SupervisorState state);

 private:
  void write(const SupervisorState& state);

  runtime::Reactor& reactor_;
  std::string path_;
  int failed_ = 0;                               // the error of the last write, of the thread
  std::unique_ptr<runtime::WorkThread> thread_;  // last, so that it ends before anything else goes
};

}  // namespace weft::provider::process
