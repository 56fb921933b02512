// The supervisor of one home: owns the instances, their logs, all listening sockets, and the mesh's own two
// processes.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "provider/process/log_file.h"
#include "provider/provider.h"
#include "runtime/home.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::provider::process {

struct Options {
  runtime::Home home;
  /// argv of the two processes that it starts and starts again when they end; empty for none. They inherit
  /// this process's environment, with WEFT_HOME set to the home's state folder. A control plane that ends
  /// with exit code 0 was asked to (POST /weft/v1/shutdown): the supervisor then stops everything as after
  /// SIGTERM.
  std::vector<std::string> control_plane;
  std::vector<std::string> proxy;
  /// Where images are looked up by name, in order; see image_folders() in image.h.
  std::vector<std::string> images;
  /// Off: process groups and descendants even where a cgroup2 mount is writable.
  bool use_cgroups = true;
  /// Copies the output of the two processes to this process's stderr too (`control-plane run` in the
  /// foreground).
  bool echo = false;
  LogLimits logs;
  /// What its keeper told it, if it has one (keeper.h): how often it was started again and after what. It
  /// then holds the lock of the home together with that, and starts another one if that is killed.
  struct Kept {
    int restarts = 0;
    std::string last_end;
    /// argv of a keeper that adopts this process.
    std::vector<std::string> keeper;
  };
  std::optional<Kept> kept;
  /// The command line by which another program goes on in this one's place: what follows the program, and is
  /// itself followed by a descriptor's number. With the second and that number after all this it only says
  /// whether it can.
  struct Again {
    std::vector<std::string> resume;  // such as {"supervise", "--resume"}
    std::string check;                // such as "--check"
  };
  Again again;
  /// What the program before this one left to it (carried.h); nothing: this is the first.
  std::optional<int> carried;
  /// How long the control plane may take to stop everything in order before the supervisor does it.
  std::chrono::milliseconds shutdown_limit{90'000};
};

/// Whether supervise() could go on with what another program has left in that file, of which this process
/// must be a child.
Result<void> check_carried(int fd);

/// Runs until SIGTERM, SIGINT, SIGHUP, a client's shutdown or the control plane's exit with 0, then stops the
/// control plane (which stops the instances in reverse order), what is left of the instances, the proxy. A
/// second signal kills all at once. Gives the process's exit code: 0 after an orderly end, 1 if it could not
/// start (the reason is on stderr: another supervisor on this home, a folder that cannot be made). Call it on
/// the main thread of a process that has no other children (all descendants are killed at the end): they end
/// when that thread does (PR_SET_PDEATHSIG), and it becomes the subreaper of all that they fork.
runtime::Task<int> supervise(runtime::Reactor& reactor, Options options);

}  // namespace weft::provider::process
