// Runs the instances of this machine by a provider: starts, probes, restarts and stops them, and tells an
// Observer what it sees.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "control/reconcile/addresses.h"
#include "control/reconcile/backoff.h"
#include "control/reconcile/observer.h"
#include "control/reconcile/probe.h"
#include "control/reconcile/publisher.h"
#include "control/reconcile/work_queue.h"
#include "control/reconcile/world.h"
#include "provider/provider.h"
#include "runtime/combine.h"
#include "runtime/scope.h"

namespace weft::control::reconcile {

class Runner {
 public:
  /// `is_restarted` says whether an instance that ended is wanted again. References must outlive it.
  Runner(runtime::Reactor& reactor, provider::Provider& provider, Prober& prober, base::Random random,
         const World& world, Addresses& addresses, Publisher& publisher, Observer& observer,
         std::function<bool(const Instance&)> is_restarted);
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  /// Takes over what the provider runs already. The error is in words.
  runtime::Task<std::expected<void, std::string>> adopt();
  /// Goes on with what was adopted and hears of what ends, until the provider is lost: gives why.
  runtime::Task<std::string> run();
  /// Makes an instance of `workload`'s present template and starts it.
  void start(const Workload& workload);
  /// Takes an instance out for good: out of its callers' endpoints, then its process, then all of it.
  void stop(const Instance& instance);
  /// A ConfigMap or Secret (nothing: any of them) has changed: what could not start for want of one of its
  /// namespace tries again, and volumes that are made of it are made anew.
  void config_changed(const std::optional<store::Key>& config);

 private:
  /// What only the runner must know of an instance.
  struct Run final : Instance {
    /// The provider lists it.
    bool is_known = false;
    /// `pod` is what it was started with.
    bool is_pod_known = false;
    int pid = -1;
    /// Its process has just been started, by this control plane.
    bool is_fresh = false;
    /// When its end was begun, if it was, and until when its process may take to end by itself.
    std::optional<base::WallTime> leaving_since;
    base::MonoTime grace_ends{};
    /// Why it is not found where it was told to listen, and when it is looked for again.
    std::string port_fault;
    base::MonoTime next_look{};
    /// It ended because a liveness or startup probe failed, or postStart.
    bool was_killed = false;
    Backoff backoff;
    /// The startup probe has succeeded, or there is none.
    runtime::Event startup_done;
    /// Set by the one who is told of the process's end, after last_exit.
    runtime::Event exited;
    /// It waits for want of a ConfigMap or Secret, and one of its namespace has changed.
    runtime::Event config_changed;
    /// Set to take it out for good.
    runtime::Event stop;
  };
  using RunPtr = std::shared_ptr<Run>;
  /// What the provider keeps of an instance that is ready; the time since when follows.
  static constexpr std::string_view note_of_ready = "ready";

  /// What the provider keeps of an instance whose end was begun, for the next control plane.
  static constexpr std::string_view leaving_note = "leaving since ";

  // runner.cpp: which there are.
  void adopt_one(const provider::Instance& found);
  void adopt_readiness(Run& self, std::string_view note, base::Duration min_ready);
  void add(const RunPtr& self);

  // lifecycle.cpp: one instance from its start to its end.
  runtime::Task<void> live(RunPtr self);
  runtime::Task<void> start_process(RunPtr self);
  runtime::Task<provider::Result<provider::InstanceSpec>> spec_for(RunPtr self);
  std::map<std::string, std::string> labels_of(const Run& self) const;
  void note_started(Run& self, const provider::Instance& started);
  void note_start_failure(Run& self, const provider::ProviderError& error);
  runtime::Task<void> run_process(RunPtr self);
  runtime::Task<void> kill_process(RunPtr self);
  /// preStop and SIGTERM, in what is left of its grace.
  runtime::Task<void> end_process(RunPtr self);
  runtime::Task<void> look_for_reason(RunPtr self);
  /// How its process has ended, with what may be the reason.
  static std::string describe_end(const Run& self);
  void note_end(Run& self);
  void finish(Run& self);
  runtime::Task<void> back_off(RunPtr self);
  runtime::Task<bool> refresh(std::string id);
  runtime::Task<void> refresh_volumes(RunPtr self);
  runtime::Task<void> take_down(RunPtr self);
  runtime::Task<void> stop_process(RunPtr self);

  // hooks.cpp: what an instance does at its start and before its end, and the time that it has for that.
  /// Its grace runs from now, or from when its end was begun.
  void begin_grace(Run& self) const;
  base::Duration grace_left(const Run& self) const;
  runtime::Task<void> drain(RunPtr self);
  runtime::Task<bool> post_start(RunPtr self);
  runtime::Task<void> pre_stop(RunPtr self);
  /// Why it failed; empty if it did not.
  runtime::Task<std::string> run_hook(RunPtr self, model::LifecycleHandler hook, base::Duration limit);

  // probes.cpp: readiness and liveness of one instance.
  /// Ends when the process is to be killed.
  runtime::Task<void> watch_process(RunPtr self);
  runtime::Task<void> watch_readiness(RunPtr self);
  runtime::Task<void> watch_liveness(RunPtr self);
  runtime::Task<bool> await_startup(RunPtr self);
  /// Asks once. Where nobody accepts, the provider is asked where it listens, and it again there.
  runtime::Task<ProbeResult> ask(RunPtr self, model::Probe probe);
  runtime::Task<void> locate(RunPtr self);
  /// Whether it is the only instance of its workload, which may listen on a fixed port.
  bool is_alone(const Run& self) const;
  void note_startup(Run& self);
  void note_not_ready(Run& self, const std::string& message);
  runtime::Task<void> set_ready(RunPtr self, bool ready, std::string message);

  runtime::Reactor& reactor_;
  provider::Provider& provider_;
  Prober& prober_;
  base::Random random_;
  const World& world_;
  Addresses& addresses_;
  Publisher& publisher_;
  Observer& observer_;
  std::function<bool(const Instance&)> is_restarted_;
  std::uint64_t next_number_ = 1;
  std::map<std::string, RunPtr> runs_;  // by id
  WorkQueue<std::string> refreshes_;    // ids
  runtime::Scope scope_;                // last: its tasks use all of the above
};

}  // namespace weft::control::reconcile
