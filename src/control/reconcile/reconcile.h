// The reconcilers: they bring what runs to what is stored. Level-triggered: each decision looks at all that
// is known now, so that what was missed, came twice or came in another order makes no difference.
//
// The way of a change: inform.cpp (store -> World) -> workloads.cpp (what to create and stop) -> runner.h
// (the instances of this machine) -> observer.h (what is seen of them) -> publisher.cpp (Snapshots to the
// proxies) -> report.cpp (status back to the store).
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/random.h"
#include "control/reconcile/data_plane.h"
#include "control/reconcile/probe.h"
#include "provider/provider.h"
#include "runtime/combine.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "store/store.h"

namespace weft::control::reconcile {

class Engine;

/// One for a control plane. References must outlive it.
class Reconciler {
 public:
  Reconciler(runtime::Reactor& reactor, store::Store& store, provider::Provider& provider,
             DataPlane& data_plane, Prober& prober, base::Random random);
  ~Reconciler();

  /// Adopts the instances that run, then reconciles until stop_all() is done (no error) or the provider or
  /// the store is lost (in words).
  runtime::Task<std::expected<void, std::string>> run();
  /// Why it is not ready: instances are not adopted or nothing is published yet. Nothing if it is.
  std::optional<std::string> not_ready() const;

  /// Stops all instances in reverse order of dependency, leaving what is stored as it is. Returns at once;
  /// run() ends when the last one has stopped. A second call changes nothing.
  void stop_all();
  /// Stops the instance that is Pod `ns`/`pod`, if there is one, as if it were not needed any more. Its
  /// workload makes another.
  void stop_instance(const std::string& ns, const std::string& pod);
  /// Lines of JSON about a stop_all() that is under way, from now on; the queue is closed at its end.
  std::shared_ptr<runtime::Queue<std::string>> follow_stop();

  /// {"instances": {"total", "running", "ready"}, "workloads", "services", "contexts", "publications"}
  base::Json status() const;
  /// What it has done since it was made.
  struct Work {
    std::uint64_t decisions = 0;     // looks at one workload
    std::uint64_t reports = 0;       // looks at one object's status
    std::uint64_t publications = 0;  // passes of the compiler
    std::uint64_t contexts = 0;      // Snapshots that these made, one for each context and node
  };
  Work work() const;
  /// The provider's id of the instance that is Pod `ns`/`pod`, nothing if there is none.
  std::optional<std::string> instance_of_pod(const std::string& ns, const std::string& pod) const;

 private:
  std::unique_ptr<Engine> engine_;
};

}  // namespace weft::control::reconcile
