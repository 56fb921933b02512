// Home: where one mesh on this machine keeps its state and its sockets. Two homes never touch each other.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "runtime/fd.h"

namespace weft::runtime {

enum class HomeErrorKind : std::uint8_t {
  /// Neither a flag nor $WEFT_HOME nor $HOME says where the state is.
  unknown,
  /// No place gives socket paths below the kernel's limit of 108 bytes (sun_path, unix(7)).
  path_too_long,
  /// A folder belongs to somebody else or is open to others.
  insecure,
  /// Another process holds the lock.
  held,
  /// A system call failed; the detail names the path and the reason.
  failed,
};
using HomeError = base::ErrorOf<HomeErrorKind>;
template <class T>
using HomeResult = std::expected<T, HomeError>;

/// What decides where a home is. Passed in, so that a test can place one anywhere.
struct HomeSource {
  std::string flag;             // --home, wins
  std::string weft_home;        // $WEFT_HOME
  std::string xdg_runtime_dir;  // $XDG_RUNTIME_DIR, not for root
  std::string user_home;        // $HOME, else the password file's
  uid_t uid = 0;
  std::string system_state = "/var/lib/weft";  // root's
  std::string system_run = "/run/weft";        // root's
  std::string temporary = "/tmp";

  /// From this process's environment and effective user.
  static HomeSource of_process(std::string flag = {});
};

/// The state folder and the run folder of one mesh, as absolute paths. A value; nothing is created until
/// prepare().
class Home {
 public:
  /// The state folder is flag, else $WEFT_HOME, else root's /var/lib/weft or a user's ~/.local/share/weft.
  /// The run folder is the one that a running supervisor of that state folder uses (its link `run`), else
  /// $XDG_RUNTIME_DIR/weft/<hash>, root's /run/weft/<hash>, else /tmp/weft-<uid>/<hash>.
  static HomeResult<Home> resolve(const HomeSource& source);

  /// Refuses what prepare() would refuse of the state folder, as far as it is there already. For whoever
  /// makes something in it before that.
  HomeResult<void> check_state() const;
  /// Creates the folders (mode 0700), refuses those of other users, and leaves the link `run` in the state
  /// folder. For the supervisor, which holds the lock; all others only connect.
  HomeResult<void> prepare() const;
  /// Words about a state folder that others can look into, nothing if they cannot. What weft makes in it is
  /// closed to them all the same.
  std::optional<std::string> exposure() const;
  /// Takes the run folder away again, with the sockets in it. Failures are passed over.
  void remove_run_folder() const;

  const std::string& state() const { return state_; }
  const std::string& run() const { return run_; }
  /// 12 hexadecimal digits made from the state folder's path.
  const std::string& hash() const { return hash_; }

  std::string api_socket() const { return run_ + "/api.sock"; }
  std::string xds_socket() const { return run_ + "/xds.sock"; }
  std::string supervisor_socket() const { return run_ + "/supervisor.sock"; }
  std::string admin_socket() const { return run_ + "/admin.sock"; }
  /// By which the proxy is asked by its successor and for its generations.
  std::string proxy_socket() const { return run_ + "/proxy.sock"; }

  std::string supervisor_lock() const { return state_ + "/supervisor.lock"; }
  /// Of `weft upgrade`: one at a time.
  std::string upgrade_lock() const { return state_ + "/upgrade.lock"; }
  std::string control_plane_lock() const { return state_ + "/control-plane.lock"; }
  std::string database() const { return state_ + "/weft.db"; }
  /// What the supervisor remembers: its identity and the reserved ports.
  std::string supervisor_state() const { return state_ + "/supervisor.json"; }
  std::string logs() const { return state_ + "/logs"; }
  /// The log of one of weft's own processes: "supervisor", "control-plane", "proxy".
  std::string own_log(const std::string& name) const { return logs() + "/" + name + ".log"; }

 private:
  std::string state_;
  std::string run_;
  std::string hash_;
  std::string run_parent_;  // created too, if it does not exist
  uid_t uid_ = 0;
};

/// The folder for sockets of processes that belong to no home, with mode 0700, made if it is not there: that
/// in which run folders lie. Errors: `path_too_long`, `insecure`, `failed`.
HomeResult<std::string> shared_run_folder(const HomeSource& source);

/// Held by one process at a time, for as long as it lives (flock), and by those that it passes it on to; the
/// file names one of them.
class HomeLock {
 public:
  /// What to do about a folder that is no use for a home.
  static constexpr std::string_view another_home =
      "give another one with --home or WEFT_HOME, or run as its owner";
  /// Takes the lock at `path` (its folder is created with mode 0700). `held` tells who has it: "process 123
  /// (weft)". `mend` is for a folder of somebody else, or of everybody.
  static HomeResult<HomeLock> take(const std::string& path, std::string_view mend = another_home);
  /// One that another process took and passed on: both hold it until one releases it, or both have ended.
  static HomeResult<HomeLock> inherited(Fd fd);
  /// Names this process as the holder from now on.
  void sign() const;
  /// Who holds the one at `path`; nothing if nobody does.
  static std::optional<pid_t> holder(const std::string& path);
  void release();
  int fd() const { return fd_.get(); }

 private:
  explicit HomeLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace weft::runtime
