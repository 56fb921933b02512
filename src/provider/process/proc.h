// What /proc tells about processes and listening sockets. All of it is a look at one moment.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/clock.h"

namespace weft::provider::process {

/// One line of /proc/<pid>/stat (proc_pid_stat(5)).
struct ProcessInfo {
  pid_t pid = -1;
  pid_t parent = -1;
  pid_t session = -1;
  char state = '?';           // 'Z': has ended, only waits to be reaped
  bool is_exiting = false;    // its end has begun, but is not over
  std::uint64_t started = 0;  // clock ticks since boot: with the pid, a name that is never used twice
};

std::vector<ProcessInfo> all_processes();
/// The children of this process, also those that have ended; nothing if the kernel does not tell
/// (CONFIG_PROC_CHILDREN). Much cheaper than all_processes().
std::optional<std::vector<pid_t>> own_children();
/// The value of one variable in the environment that a process was started with; empty if it cannot be read.
std::string environment_variable(pid_t pid, std::string_view name);
/// SIGKILL to this very process: never to one that took its number later.
void kill_exactly(const ProcessInfo& process);

/// Those that `is_root` picks and all below them, without those that have ended.
std::vector<ProcessInfo> with_descendants(const std::vector<ProcessInfo>& all,
                                          const std::function<bool(const ProcessInfo&)>& is_root);

/// Where one gets hold of what these processes listen on by TCP, in order of ports: 127.0.0.1 stands for
/// 0.0.0.0 and for [::] that takes IPv4 too.
std::vector<base::Address> listening_addresses(std::span<const pid_t> processes);

/// Who listens on TCP ports of this machine. To find that out takes a look at the descriptors of all
/// processes, so that each socket is searched for once, and seldom.
class Holders {
 public:
  /// "process 123 (nginx: master process)", "a process of user 33" if it is somebody else's, or another one
  /// was searched for just now; empty if nobody listens there.
  std::string describe(std::uint16_t port, base::MonoTime now);

  /// Programs that crash in a loop do not keep the supervisor at it.
  static constexpr std::chrono::seconds search_pause{2};

 private:
  /// More than the ports of a machine that anything is in the way of.
  static constexpr std::size_t most_known = 64;

  std::map<std::string, std::string> known_;  // by socket
  base::MonoTime next_search_{};
};

}  // namespace weft::provider::process
