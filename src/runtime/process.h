// Child processes: started with exactly the descriptors, environment and limits named, watched by pidfd.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/error.h"
#include "runtime/fd.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::runtime {

/// Another user to become. Only root may: EPERM.
struct SpawnUser {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

struct SpawnOptions {
  /// argv[0] is the file to run: a path, or a name looked up in the PATH of `environment`.
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // KEY=VALUE
  std::string directory;                 // empty: the parent's
  /// {descriptor here, number in the child}. Standard streams that are not listed are /dev/null; all others
  /// close.
  std::vector<std::pair<int, int>> fds;
  /// A process group (and session) of its own.
  bool new_session = true;
  /// The signal that the child gets when the spawning thread dies (PR_SET_PDEATHSIG); 0 for none.
  int parent_death_signal = 0;
  /// A cgroup2 directory to be born in (CLONE_INTO_CGROUP); -1 for none.
  int cgroup_fd = -1;
  /// Its oom_score_adj (proc_pid_oom_score_adj(5)), from -1000 (never killed) to 1000; nothing: this
  /// process's.
  std::optional<int> oom_score_adj;
  /// From before it enters its directory: what it may do, that user may.
  std::optional<SpawnUser> user;
};

struct Child {
  pid_t pid = -1;
  Fd pidfd;
};

/// How a process ended: one of the two, or none if it was not for this process to be told.
struct ExitStatus {
  std::optional<int> code;
  std::optional<int> signal;

  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
  /// "exit code 1", "signal 9 (SIGKILL)", "unknown end" if neither is known.
  std::string to_string() const;
};

/// This process's own oom_score_adj. Lowering it takes CAP_SYS_RESOURCE: EACCES, EPERM.
int oom_score_adj();
IoResult<void> set_oom_score_adj(int value);

/// RLIMIT_NOFILE.
struct FileLimit {
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};
/// Raises this process's soft limit of open descriptors as far as it may. Its children get the limit that the
/// first call found, for programs that use select() or go through all descriptors break under a high one; or
/// `found`, if this program goes on for another that had raised it.
void raise_file_limit(std::optional<FileLimit> found = {});
/// What children get.
FileLimit file_limit_of_children();
/// Executes another program in this process's place: with its children, `kept` of its descriptors, and its
/// environment. Comes back only with an error: then all is as before.
IoError replace_this_process(const std::vector<std::string>& argv, const std::vector<int>& kept);
/// Starts a process; an exec that fails is reported here (ENOENT, EACCES, ENOEXEC ...), not by the child.
IoResult<Child> spawn(const SpawnOptions& options);
/// Waits for its end and reaps it; of a process that is no child of this one, how it ended is not known. Once
/// only.
Task<ExitStatus> wait_exit(Reactor& reactor, int pidfd);
/// What becomes readable with the end of that process: of this one itself, to be passed on, or of another.
IoResult<Fd> open_pidfd(pid_t pid);
/// "process 123 (nginx)", for people: by the program's file, or the name the kernel has for it. Never by its
/// arguments, which may hold secrets. "process 123" if nothing can be read.
std::string describe_process(pid_t pid);
/// Sends through the pidfd: never to a process that took the number later.
IoResult<void> send_signal(int pidfd, int signal);

}  // namespace weft::runtime
