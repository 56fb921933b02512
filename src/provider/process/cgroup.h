// cgroup2 directories: the one fence that a process cannot leave by forking (cgroups(7)).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/error.h"
#include "runtime/fd.h"

namespace weft::provider::process {

/// Processes and threads of one instance, where the kernel can count them (pids.max): more than any one
/// server needs, and eight that fork without end do not fill the 32,768 of a small machine (kernel.pid_max).
inline constexpr int most_instance_processes = 4096;

/// One cgroup of ours; its directory is removed with it if it is empty. It takes no descriptor while it
/// rests.
class Cgroup {
 public:
  /// Makes (or takes over) the directory, with the limit on processes where there is one.
  static runtime::IoResult<Cgroup> make(const std::string& path);
  Cgroup(Cgroup&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Cgroup& operator=(Cgroup&&) noexcept = delete;
  ~Cgroup();

  /// For runtime::SpawnOptions.
  runtime::IoResult<runtime::Fd> open() const;
  const std::string& path() const { return path_; }

 private:
  explicit Cgroup(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty: moved from
};

/// Makes the cgroup under which those of a home lie, `weft-<identity>`: below this process's own cgroup, else
/// at the mount's root. Nothing where no cgroup2 mount is found, it is not writable, or the kernel is older
/// than 5.14. What can count processes there does so for those below it.
std::optional<std::string> make_cgroup_root(const std::string& identity);
/// SIGKILL to all in it and below it, also to those that are forking just now (cgroup.kill, Linux 5.14); call
/// it until no process is left.
void kill_cgroup(const std::string& path);
/// Those in it now, without those of cgroups below it.
std::vector<pid_t> cgroup_processes(const std::string& path);
bool cgroup_has_processes(const std::string& path);
/// Whether the kernel counts and limits the processes of a cgroup below it.
bool cgroup_limits_processes(const std::string& root);
/// Removes it with all below it, as far as they are empty.
void remove_cgroup(const std::string& path);

/// The directories of cgroup2 mounts in the text of /proc/self/mountinfo (proc_pid_mountinfo(5)).
std::vector<std::string> cgroup2_mounts(std::string_view mountinfo);

}  // namespace weft::provider::process
