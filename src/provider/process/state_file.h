// supervisor.json: what the supervisor of a home remembers across its lives.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/json.h"
#include "runtime/combine.h"
#include "runtime/error.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

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

/// The thread that writes it, for a write waits for the disk. There is one from the start on: at a limit of
/// processes none could be started.
class StateWriter {
 public:
  /// Throws std::system_error if no thread can be started.
  StateWriter(runtime::Reactor& reactor, std::string path);
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;
  /// Waits for the write that is under way.
  ~StateWriter();

  /// Ends once it is on disk, or could not be written (which is logged when it begins and when it ends). One
  /// at a time.
  runtime::Task<void> save(SupervisorState state);

 private:
  void run();

  runtime::Reactor& reactor_;
  std::string path_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<SupervisorState> next_;
  std::shared_ptr<runtime::Event> written_;  // of the state that was handed over last
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace weft::provider::process
