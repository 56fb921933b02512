// Provider: what runs or finds the instances of a workload. The control plane knows only this interface.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "base/error.h"
#include "runtime/task.h"

namespace weft::provider {

enum class ProviderErrorKind : std::uint8_t {
  image_not_found,
  image_not_executable,
  no_free_port,
  /// A reserved address is taken by another process, which the detail names.
  port_in_use,
  /// What it is to be given does not exist, or may not be given to it.
  wrong_config,
  not_found,
  already_exists,
  /// What runs the instances cannot be reached (the supervisor is gone).
  unavailable,
  /// A command did not end within its limit.
  timed_out,
  /// It is there, and is not of those that can be watched.
  not_seen,
  failed,
};
/// "image_not_found".
std::string_view to_string(ProviderErrorKind kind);
using ProviderError = base::ErrorOf<ProviderErrorKind>;
template <class T>
using Result = std::expected<T, ProviderError>;

/// Keys of reserve() that begin so are for an instance, which ends with its provider; all others are for what
/// is stored.
inline constexpr std::string_view instance_key_prefix = "inbound/";

/// The port that a key of reserve() asks for: 8080 of "edge/default/web/80@8080"; 0: any will do.
std::uint16_t wanted_port(std::string_view key);

struct ContainerPort {
  std::string name;  // may be empty
  std::uint16_t number = 0;

  friend bool operator==(const ContainerPort&, const ContainerPort&) = default;
};

struct VolumeFile {
  /// Below the volume's folder; it does not lead out of that.
  std::string path;
  std::string bytes;
  std::uint32_t mode = 0644;
};

/// A folder (or a file of the machine) that an instance is given.
struct Volume {
  /// on_disk, in_memory: empty at the first start, and kept until the instance is removed.
  enum class Kind : std::uint8_t { files, on_disk, in_memory, on_host };
  enum class HostType : std::uint8_t { any, directory, directory_or_create, file, file_or_create };

  std::string name;
  /// The variable that tells where it is.
  std::string variable;
  Kind kind = Kind::files;
  std::vector<VolumeFile> files;
  std::string host_path;
  HostType host_type = HostType::any;
};

/// Another user and group to run as, by name or number; empty: as the mesh itself.
struct RunAs {
  std::string user;
  std::string group;
  bool non_root = false;
};

/// What a RunAs comes to on the machine.
struct Credentials {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;
};

/// What to run. `id` is "<namespace>/<instance name>" and unique.
struct InstanceSpec {
  std::string id;
  std::string image;
  std::vector<std::string> command;  // empty: the image's
  std::vector<std::string> args;     // empty: the image's, unless command is given
  /// In this order, for a value may use those before it; of two of the same name the later one counts.
  std::vector<std::pair<std::string, std::string>> environment;
  std::string working_directory;
  std::vector<ContainerPort> ports;  // empty: the image's
  std::chrono::milliseconds grace{30'000};
  std::vector<Volume> volumes;
  RunAs run_as;
  /// Of run_as; the provider finds them.
  std::optional<Credentials> credentials;
  /// Opaque to the provider and kept with the instance, so that a new control plane knows what it adopts.
  std::map<std::string, std::string> labels;
};

/// The machine that the control plane itself is on.
inline constexpr std::string_view local_node = "local";

enum class Phase : std::uint8_t { starting, running, stopping, exited };

/// How and when it ended.
struct Exit {
  std::optional<int> code;
  std::optional<int> signal;
  base::WallTime at;
};

struct BoundPort {
  ContainerPort port;
  base::Address address;  // where the application itself listens; for its inbound listener alone
  /// It is the program's own choice and not the number that it was told: no second instance can have it.
  bool is_fixed = false;

  friend bool operator==(const BoundPort&, const BoundPort&) = default;
};

struct Instance {
  std::string id;
  /// The machine that it is on; its proxy serves what comes in to it and goes out of it.
  std::string node{local_node};
  Phase phase = Phase::starting;
  int pid = -1;
  base::WallTime started_at;
  std::optional<Exit> exit;
  std::vector<BoundPort> ports;
  std::map<std::string, std::string> labels;
  /// What the control plane noted last (such as "ready"); survives the control plane.
  std::string note;
};

/// Where an instance listens, as far as that can be seen.
struct Located {
  /// With its ports as they are now.
  Instance instance;
  /// Why nobody listens on a port of it, and what to do; empty if there is nothing to say.
  std::string fault;
};

struct LogOptions {
  std::optional<int> tail_lines;
  /// Goes on with what comes later, also after a restart, until the instance is removed.
  bool follow = false;
  /// Each line begins with its time (RFC 3339 with microseconds) and a space.
  bool timestamps = false;
  /// Only lines that were written from then on.
  std::optional<base::WallTime> since;
  /// Only what the run before the last restart has written; not_found if there was none.
  bool previous = false;
};

/// A stream of log text; nothing at its end. Lines are whole, but for the last one of a text, which may go on
/// in the next.
class LogReader {
 public:
  virtual ~LogReader() = default;
  virtual runtime::Task<Result<std::optional<std::string>>> next() = 0;
};

class Provider {
 public:
  virtual ~Provider() = default;

  /// Starts an instance; what it says is where its ports are. An exit right after is told by next_change().
  /// An exited instance of the same id is started anew with this spec: it keeps its log, and its ports if
  /// their number is the same. already_exists if it still runs.
  virtual runtime::Task<Result<Instance>> start(InstanceSpec spec) = 0;
  /// SIGTERM, `grace` (nothing: its spec's), SIGKILL, unless somebody stops it already; ends when it and all
  /// that it forked are gone. It stays listed as exited.
  virtual runtime::Task<Result<Instance>> stop(std::string id,
                                               std::optional<std::chrono::milliseconds> grace) = 0;
  /// Forgets an exited instance and its ports, and ends its log; `failed` if it still runs.
  virtual runtime::Task<Result<void>> remove(std::string id) = 0;
  /// Makes the files of volumes what they are here, each at one stroke; a started instance may be reading
  /// them.
  virtual runtime::Task<Result<void>> refresh(std::string id, std::vector<Volume> volumes, RunAs run_as) = 0;
  virtual runtime::Task<Result<void>> note(std::string id, std::string text) = 0;
  /// All that exist, also those started before this control plane.
  virtual runtime::Task<Result<std::vector<Instance>>> list() = 0;
  /// The next instance that exited, by itself or because somebody stopped it. One waiter.
  virtual runtime::Task<Result<Instance>> next_change() = 0;
  /// Looks where the processes of an instance listen that does not answer where it was told to ($PORT), or
  /// has ended without. A port's address becomes what they listen on: of the told number, or if
  /// `may_be_fixed` also of the number that its own environment says, or of its containerPort.
  virtual runtime::Task<Result<Located>> locate(std::string id, bool may_be_fixed) = 0;
  /// Runs a command as the instance would (its environment and directory): the exit code; timed_out after
  /// `limit`.
  virtual runtime::Task<Result<int>> execute(std::string id, std::vector<std::string> argv,
                                             std::chrono::milliseconds limit) = 0;
  virtual runtime::Task<Result<std::unique_ptr<LogReader>>> logs(std::string id, LogOptions options) = 0;

  /// A listening address for the mesh itself (edge, outbound, inbound), the same for the same `key` after
  /// restarts, but for an instance; at wanted_port(key), if it says one. What was given back is had again as
  /// long as nobody else has taken it.
  virtual runtime::Task<Result<base::Address>> reserve(std::string key) = 0;
  /// Gives reserved addresses back.
  virtual runtime::Task<Result<void>> release(std::vector<std::string> keys) = 0;
};

}  // namespace weft::provider
