// cgroup2 directories: the one fence that a process cannot leave by forking (cgroups(7)).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/error.h"
#include "runtime/fd.h"

namespace weft::provider::process {

/// One cgroup of ours; its directory is removed with it if it is empty.
class Cgroup {
 public:
  /// Makes (or takes over) the directory.
  static runtime::IoResult<Cgroup> make(const std::string& path);
  Cgroup(Cgroup&&) noexcept = default;
  Cgroup& operator=(Cgroup&&) noexcept = delete;
  ~Cgroup();

  /// For runtime::SpawnOptions.
  int fd() const { return directory_.get(); }
  /// SIGKILL to all in it and below it, also to those that are forking just now (cgroup.kill, Linux 5.14).
  void kill() const;
  bool has_processes() const;

 private:
  Cgroup(std::string path, runtime::Fd directory)
      : path_(std::move(path)), directory_(std::move(directory)) {}
  std::string path_;  // empty: moved from
  runtime::Fd directory_;
};

/// Makes the cgroup under which those of a home lie, `weft-<identity>`: below this process's own cgroup, else
/// at the mount's root. Nothing where no cgroup2 mount is found, it is not writable, or the kernel is older
/// than 5.14.
std::optional<std::string> make_cgroup_root(const std::string& identity);
/// Kills everything in it; call it until no process is left.
void kill_cgroup(const std::string& path);
bool cgroup_has_processes(const std::string& path);
/// Removes it with all below it, as far as they are empty.
void remove_cgroup(const std::string& path);

/// The directories of cgroup2 mounts in the text of /proc/self/mountinfo (proc_pid_mountinfo(5)).
std::vector<std::string> cgroup2_mounts(std::string_view mountinfo);

}  // namespace weft::provider::process
