// The process Provider: asks the supervisor of one home over its socket.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/json_fwd.h"
#include "provider/process/volumes.h"
#include "provider/provider.h"
#include "runtime/combine.h"
#include "runtime/fd.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "runtime/socket.h"

namespace weft::provider::process {

/// One of the mesh's own processes that the supervisor starts again.
struct OwnProcess {
  pid_t pid = -1;  // -1: it does not run now
  int restarts = 0;
  std::string last_exit;  // "signal 9 (SIGKILL)", empty if it never ended
  /// Those that it has followed, which end what they have under way.
  std::vector<pid_t> before = {};
};

struct SupervisorStatus {
  pid_t pid = -1;
  int restarts = 0;      // of the supervisor itself
  std::string last_end;  // "signal 9 (SIGKILL) at 2026-01-31T08:00:00Z", empty if it never ended
  base::WallTime started_at;
  bool cgroups = false;
  bool limits_processes = false;  // of instances, by pids.max
  bool stopping = false;
  std::size_t instances = 0;        // running
  std::vector<std::string> images;  // folders in which images are found
  /// A command in the foreground, with which all ends: nobody can take its place.
  bool ends_with_keeper = false;
  /// It has no keeper of weft's: a service manager started it, and starts it again.
  bool kept_by_manager = false;
  OwnProcess keeper;
  OwnProcess control_plane;
  OwnProcess proxy;
};

/// What an instance's program was started in: for one more beside it, that somebody else starts.
struct Surroundings {
  std::vector<std::string> environment;  // NAME=value
  std::string directory;
  std::string cgroup;                           // its path; empty: none
  std::optional<Credentials> credentials = {};  // nothing: the mesh's own
};

/// A connection to the supervisor. Any number of calls may wait at once; all end with `unavailable` when the
/// supervisor goes. It does not connect again: whoever belongs to a supervisor ends with it.
class SupervisorClient final : public Provider {
 public:
  /// Errors: unavailable (nobody listens there).
  static Result<std::unique_ptr<SupervisorClient>> connect(runtime::Reactor& reactor,
                                                           const std::string& socket_path);
  /// The same, trying again until `limit` has passed: for one who has just started a supervisor.
  static runtime::Task<Result<std::unique_ptr<SupervisorClient>>> connect_within(runtime::Reactor& reactor,
                                                                                 std::string socket_path,
                                                                                 base::Duration limit);
  SupervisorClient(runtime::Reactor& reactor, runtime::Fd fd);
  ~SupervisorClient() override;

  /// Makes this client the one control plane: it is told of exits (next_change) from now on; ask list() after
  /// it. It keeps the instances' volumes, and removes those that a control plane before it left of instances
  /// that never began. already_exists if another one is attached, with its pid.
  runtime::Task<Result<void>> attach(VolumeFolders volumes = {});

  runtime::Task<Result<Instance>> start(InstanceSpec spec) override;
  runtime::Task<Result<Instance>> stop(std::string id,
                                       std::optional<std::chrono::milliseconds> grace) override;
  runtime::Task<Result<void>> remove(std::string id) override;
  runtime::Task<Result<void>> refresh(std::string id, std::vector<Volume> volumes, RunAs run_as) override;
  runtime::Task<Result<void>> note(std::string id, std::string text) override;
  runtime::Task<Result<std::vector<Instance>>> list() override;
  runtime::Task<Result<Instance>> next_change() override;
  runtime::Task<Result<Located>> locate(std::string id, bool may_be_fixed) override;
  runtime::Task<Result<int>> execute(std::string id, std::vector<std::string> argv,
                                     std::chrono::milliseconds limit) override;
  runtime::Task<Result<std::unique_ptr<LogReader>>> logs(std::string id, LogOptions options) override;
  runtime::Task<Result<base::Address>> reserve(std::string key) override;
  runtime::Task<Result<void>> release(std::vector<std::string> keys) override;

  /// The listening socket of a key that was reserved, for the proxy; the supervisor keeps its own too. It is
  /// non-blocking and shared: closing it does not stop the kernel from accepting. not_found if nobody
  /// reserved it.
  runtime::Task<Result<runtime::Fd>> listen(std::string key);
  runtime::Task<Result<SupervisorStatus>> status();
  /// not_found; failed if it does not run.
  runtime::Task<Result<Surroundings>> surroundings(std::string id);
  /// Has the supervisor execute `program` in its own place; this connection goes on with that. Errors:
  /// already_exists (another upgrade is under way), unavailable (it stops, or replaces one of its processes),
  /// failed (the program cannot do it, and says why): then all is as it was.
  runtime::Task<Result<void>> upgrade(std::string program);
  /// Has a new process do the work of "control-plane", "proxy" or "keeper"; ends when it does. If it cannot,
  /// the proxy or keeper before goes on; the control plane before has ended, and the new one is started again
  /// until it comes. Errors: not_found (there is no such process, as no keeper below systemd), not_seen (the
  /// keeper is of an older build, and stays), failed and those of upgrade().
  runtime::Task<Result<void>> replace(std::string name);
  /// Says that this process, the proxy, does its work. `relieves`: it has the one before drain itself;
  /// else that must be ended.
  runtime::Task<Result<void>> serves(bool relieves);
  /// Says that this process, the attached control plane, is about to stop everything: nothing is replaced
  /// from here on. Error: unavailable, if this process is just being replaced, which must not stop anything
  /// then.
  runtime::Task<Result<void>> stops();
  /// Asks the supervisor to stop everything and end; `quick` kills instead. Returns once it has begun; see
  /// until_gone().
  runtime::Task<Result<void>> shutdown(bool quick = false);
  /// Ends when the supervisor has closed the connection: after shutdown() all its processes are gone by then.
  runtime::Task<void> until_gone();

 private:
  class Latch;
  struct Call;
  struct Request {
    std::uint64_t id;
    std::string text;
  };
  struct Reply {
    std::unique_ptr<base::Json> ok;
    std::vector<runtime::Fd> fds;
  };

  runtime::Task<Result<Reply>> call(base::Json request);
  runtime::Task<void> receive_loop();
  runtime::Task<void> send_loop();
  void deliver(runtime::Message message);
  void end();

  runtime::Reactor& reactor_;
  runtime::MessageSocket socket_;
  Volumes volumes_{VolumeFolders{}};
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, Call*> calls_;
  runtime::Queue<Request> outgoing_;
  std::deque<Instance> changes_;
  Latch* change_waiter_ = nullptr;
  runtime::Event gone_;
  runtime::Scope scope_;  // last: its tasks use all of the above
};

}  // namespace weft::provider::process
