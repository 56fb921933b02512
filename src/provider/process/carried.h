// What the supervisor takes along when it executes another program in its own place (`weft upgrade`): the
// same process with the same children and descriptors goes on, so that all it must be told is what they are.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "provider/process/client.h"
#include "provider/process/group.h"
#include "provider/process/instance_log.h"
#include "provider/provider.h"
#include "runtime/error.h"
#include "runtime/fd.h"
#include "runtime/process.h"

namespace weft::provider::process {

/// The form of what is written. One that reads it knows this one and no other: whoever changes what a field
/// means, or takes one away, gives it a new number.
inline constexpr int carried_form = 1;
/// What a program says on stderr that was asked whether it can go on, and can: another might end with 0 for
/// any reason.
inline constexpr std::string_view can_go_on = "weft can go on\n";

/// A child.
struct CarriedProcess {
  pid_t pid = -1;
  bool has_ended = false;  // it has been reaped; the two below are valid then
  runtime::ExitStatus status;
  base::WallTime ended_at;
};

/// What a child writes. Whole lines are in its log already, and unfinished ones as far as they came.
struct CarriedOutput {
  int pipe = -1;  // -1: its other end is closed
  bool is_within_line = false;
  std::uint64_t lost_lines = 0;
};

struct CarriedInstance {
  InstanceSpec spec;
  Program program;
  Instance seen;
  std::vector<std::uint16_t> ports;  // lent to it, one for each of seen.ports
  std::vector<LoggedRun> runs;
  bool must_note_log = false;  // it could not be written yet
  CarriedProcess main;
  bool has_cgroup = false;
  CarriedOutput output;
  std::optional<base::MonoTime> kill_at;  // it has got SIGTERM
};

/// Control plane or proxy.
struct CarriedOwn {
  struct Run {
    std::string group;
    bool has_cgroup = false;
    CarriedProcess main;
    CarriedOutput output;
  };
  OwnProcess seen;
  int starts = 0;
  bool has_current = false;  // the last of the runs
  std::vector<Run> runs;
};

struct CarriedKeeper {
  int pidfd = -1;        // of the one that started this process; -1: it has ended
  CarriedProcess child;  // the one that this process started; no pid: none
  OwnProcess seen;
  bool is_kept = true;    // false: the keeper that started this process passed no pidfd
  bool is_asked = false;  // it is ended, and the next one is to replace it
};

/// A peer of the supervisor's socket.
struct CarriedPeer {
  /// A request that is not answered. It is performed once more: all that may wait begin nothing twice.
  struct Request {
    base::Json what;
    base::MonoTime deadline;
    CarriedProcess process;  // of "execute", if it has begun; else without a pid
  };
  int fd = -1;
  bool is_control_plane = false;
  std::vector<Request> requests;
  std::vector<std::pair<std::string, int>> unsent;  // with a descriptor, or -1
};

struct Carried {
  std::string identity;
  std::string cgroup_root;
  base::Json ports = base::Json::object();  // Ports::to_json()
  std::vector<std::pair<std::string, int>> sockets;
  base::WallTime started_at;
  int oom_found = 0;
  pid_t pid = 0;  // of the supervisor, which stays what it is; 0: not told
  runtime::FileLimit file_limit;
  int lock = -1;
  int listening = -1;
  std::optional<CarriedKeeper> keeper;
  CarriedOwn control_plane;
  CarriedOwn proxy;
  std::vector<CarriedInstance> instances;
  std::vector<CarriedPeer> peers;

  /// All descriptors that must stay open.
  std::vector<int> descriptors() const;
};

/// As bytes (CBOR, for what an environment holds need not be text) in an anonymous file.
runtime::IoResult<runtime::Fd> write_carried(const Carried& carried);
/// Reads it from the file's beginning, which may be read more than once. Errors: failed, if it is of another
/// form or malformed.
Result<Carried> read_carried(int fd);

/// A descriptor that was carried, which is closed again for children.
runtime::Fd take_carried(int fd);

}  // namespace weft::provider::process
