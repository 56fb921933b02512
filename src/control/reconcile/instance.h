// One instance of a workload as the control plane sees it, whoever runs it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/dependency.h"
#include "model/resource.h"
#include "provider/provider.h"

namespace weft::control::reconcile {

/// starting: the provider is being asked. running: its process runs. waiting: it ended, or could not start,
/// and waits for its restart. finished: it ended and is not started again, until it is gone. stopping: it is
/// being taken out.
enum class State : std::uint8_t { starting, running, waiting, finished, stopping };

struct Instance {
  model::Ref workload;
  std::string name;
  /// The machine that it is on, or will be.
  std::string node{provider::local_node};
  /// Grows with each instance made.
  std::uint64_t number = 0;

  /// The hash of the template that it was made from, and the dependencies that it was told the addresses of
  /// ("ns/name").
  std::string revision;
  std::set<std::string> dependencies;
  /// The uid of the workload that it was made for; another one of the same name is another Job.
  std::string owner_uid;
  /// What it runs. Of an adopted one whose template is not known any more: the workload's present one.
  std::shared_ptr<const model::PodSpec> pod;

  State state = State::starting;
  /// A process runs, or may run still (it is being stopped).
  bool has_process = false;
  /// Its startup probe has succeeded, or it has none.
  bool has_started = false;
  bool ready = false;
  /// Since when, by the clock on the wall: the next control plane goes on counting.
  base::WallTime ready_since{};
  /// While it is ready: for its workload's minReadySeconds already.
  bool has_settled = false;
  /// It is to go for good.
  bool is_told_to_go = false;
  /// It is about to stop: no new requests.
  bool draining = false;
  /// All callers know that. What is under way is waited for, tunnels so long.
  std::optional<std::chrono::milliseconds> drain;
  int restarts = 0;
  /// Why it waits or is not ready: "CrashLoopBackOff", "ImageNotFound"; empty if nothing is wrong.
  std::string reason;
  std::string message;
  std::optional<provider::Exit> last_exit;
  base::WallTime created_at;
  base::WallTime started_at;
  /// The same on the monotonic clock; of an adopted one, when it was adopted.
  base::MonoTime running_since{};
  std::vector<provider::BoundPort> ports;

  const std::string& ns() const { return workload.ns; }
  /// The provider's name for it.
  std::string id() const { return workload.ns + "/" + name; }
  bool is_available() const { return ready && has_settled; }
  bool is_leaving() const { return is_told_to_go || state == State::stopping; }
  /// A second one cannot run beside it: it listens on a port of its own choice.
  bool has_fixed_port() const { return std::ranges::any_of(ports, &provider::BoundPort::is_fixed); }
  bool has_succeeded() const { return state == State::finished && last_exit && last_exit->code == 0; }
};

using InstancePtr = std::shared_ptr<Instance>;

/// "exit code 1", "signal 9 (SIGKILL)".
std::string to_string(const provider::Exit& exit);
/// The exit code as a shell and Kubernetes give it: 128 + N for signal N.
int exit_code(const provider::Exit& exit);

/// A template's labels with those that weft gives each instance.
model::Labels with_own_labels(model::Labels labels, const Instance& instance);

/// Keys of the labels that an instance has at the provider, beside model::label's.
namespace instance_label {
constexpr std::string_view dependencies = "weft.dev/dependencies";
constexpr std::string_view owner_uid = "weft.dev/owner-uid";
constexpr std::string_view restarts = "weft.dev/restarts";
}  // namespace instance_label

}  // namespace weft::control::reconcile
