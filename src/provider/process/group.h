// All processes of one instance, also those that forked away: started together, killed together.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "provider/process/cgroup.h"
#include "provider/process/client.h"
#include "provider/process/environment.h"
#include "provider/process/oom.h"
#include "provider/process/proc.h"
#include "provider/process/processes.h"
#include "runtime/reactor.h"

namespace weft::provider::process {

/// What the groups of one home share.
struct Fence {
  runtime::Reactor& reactor;
  Processes& processes;
  std::string identity;                    // of the home; part of every marker
  std::optional<std::string> cgroup_root;  // nothing: by process groups, descendants and markers
  OomScores oom;
};

/// What to run in a group.
struct Program {
  std::vector<std::string> argv;  // argv[0] is a path
  Environment environment;
  std::string directory;
  int output = -1;  // stdout and stderr; -1: /dev/null
  int oom_score_adj = 0;
  std::optional<Credentials> credentials;  // nothing: this process's own
};

/// A pipe for a program's output: the end to read from, which does not block, and the other.
runtime::IoResult<std::pair<runtime::Fd, runtime::Fd>> output_pipe();

class Group {
 public:
  /// `name` is the instance's id, or that of one of the supervisor's own two processes.
  Group(Fence& fence, std::string name);

  /// Starts the main process, the leader of a session of its own. Where the kernel refuses the cgroup, it
  /// goes on without cgroups, for all that follow too.
  runtime::IoResult<std::shared_ptr<Process>> start(const Program& program);
  /// Has this main process, which was started in a group of this name by what this process was before.
  void adopt(std::shared_ptr<Process> main, bool has_cgroup);
  bool has_cgroup() const { return cgroup_.has_value(); }
  const std::string& name() const { return name_; }
  /// Starts one more beside it.
  runtime::IoResult<std::shared_ptr<Process>> start_beside(const Program& program);
  /// What start() gives every program: the environment with the marker, and the cgroup.
  Surroundings surroundings(const Program& program) const;
  /// Those that are in it now.
  std::vector<pid_t> members() const;
  /// To the process group of the main process, if that has not been reaped.
  void signal(int number) const;
  /// SIGKILL to all until none is left; false if some still were after the limit (in an uninterruptible
  /// call). The end of the group: nothing is started in it afterwards.
  runtime::Task<bool> kill();

 private:
  runtime::IoResult<std::shared_ptr<Process>> spawn(const Program& program);
  runtime::IoResult<Cgroup> make_cgroup() const;
  bool kill_once() const;
  /// Where there is no cgroup.
  std::vector<ProcessInfo> below_main() const;
  /// Whether this process has children that it did not start: what outlives its parent falls to it.
  bool has_orphans() const;
  std::string marker() const { return fence_.identity + "/" + name_; }

  Fence& fence_;
  std::string name_;
  std::optional<Cgroup> cgroup_;
  std::shared_ptr<Process> main_;
};

/// Kills what a supervisor of the same home left behind when it was killed itself: by its cgroup (of the path
/// that it recorded, may be empty), and by the marker in the environment. False if some process could not be
/// killed.
runtime::Task<bool> clear_remains(runtime::Reactor& reactor, std::string identity, std::string cgroup_root);

/// Kills every descendant of this process and reaps it, until there is none; false if some were left after
/// the limit.
runtime::Task<bool> kill_descendants(runtime::Reactor& reactor, Processes& processes);

}  // namespace weft::provider::process
