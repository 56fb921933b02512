// What the parts of the reconcilers share. Each part is a file of its own; see reconcile.h for their order.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "control/reconcile/addresses.h"
#include "control/reconcile/data_plane.h"
#include "control/reconcile/events.h"
#include "control/reconcile/probe.h"
#include "control/reconcile/publisher.h"
#include "control/reconcile/reconcile.h"
#include "control/reconcile/work_queue.h"
#include "control/reconcile/world.h"
#include "runtime/combine.h"
#include "runtime/scope.h"

namespace weft::control::reconcile {

/// What to decide anew: everything (nothing in it), or one workload.
using Decision = std::optional<model::Ref>;

class Engine {
 public:
  Engine(runtime::Reactor& reactor, store::Store& store, provider::Provider& provider, DataPlane& data_plane,
         Prober& prober, base::Random random);

  runtime::Task<std::expected<void, std::string>> run();
  /// Why nobody should ask this control plane yet.
  std::optional<std::string> not_ready();
  void stop_all();
  std::shared_ptr<runtime::Queue<std::string>> follow_stop();
  base::Json status() const;
  Reconciler::Work work() const;
  const World& world() const { return world_; }

 private:
  // inform.cpp: the store's objects into the World.
  /// Takes in all of a kind as it is now; gives what happens to it from then on.
  store::Result<std::unique_ptr<store::Watch>> read(std::string_view kind);
  using Watches = std::map<std::string_view, store::Result<std::unique_ptr<store::Watch>>>;
  Watches load();
  runtime::Task<void> follow_store(std::string_view kind, store::Result<std::unique_ptr<store::Watch>> watch);
  void take_in(const store::Event& event);
  void ask_for_rebuild();
  void rebuild();
  runtime::Task<void> follow_provider();
  /// The end of all: run() gives `why`.
  void give_up(std::string why);

  // adopt.cpp: what runs already.
  runtime::Task<std::expected<void, std::string>> adopt();
  void adopt_one(const provider::Instance& found);

  // decide.cpp: what to create and what to stop.
  runtime::Task<bool> decide(Decision decision);
  void decide_deployment(Workload& workload);
  void decide_job(Workload& workload);
  void judge_job(Workload& workload);
  void stop_instances(Workload& workload);
  /// Whether new instances may be made: a provider is there and the gate is open, or was for this template.
  bool may_create(Workload& workload);
  void set_gate(Workload& workload, Gate gate, bool waits);
  bool find_provider(Workload& workload);
  void create_instance(Workload& workload);
  /// It is to have no process: deleted, or everything stops.
  bool is_going(const Workload& workload) const { return stopping_ || !workload.is_stored; }

  // lifecycle.cpp: one instance from its start to its end.
  runtime::Task<void> live(InstancePtr self);
  runtime::Task<void> start_process(InstancePtr self);
  runtime::Task<provider::Result<provider::InstanceSpec>> spec_for(InstancePtr self);
  void note_started(Instance& self, const provider::Instance& started);
  void note_start_failure(Instance& self, const provider::ProviderError& error);
  runtime::Task<void> run_process(InstancePtr self);
  runtime::Task<void> kill_process(InstancePtr self);
  runtime::Task<void> end_process(InstancePtr self);
  void note_end(Instance& self);
  bool is_restarted(const Instance& self) const;
  void finish(Instance& self);
  runtime::Task<void> back_off(InstancePtr self);
  runtime::Task<void> take_down(InstancePtr self);
  runtime::Task<void> stop_process(InstancePtr self);

  // probes.cpp: readiness and liveness of one instance.
  runtime::Task<void> watch_readiness(InstancePtr self);
  runtime::Task<void> watch_liveness(InstancePtr self);
  runtime::Task<bool> await_startup(InstancePtr self);
  runtime::Task<ProbeResult> ask(InstancePtr self, model::Probe probe);
  void note_not_ready(Instance& self, const std::string& message);
  runtime::Task<void> set_ready(InstancePtr self, bool ready, std::string message);

  // report.cpp: status and Pods into the store.
  /// Something about an instance has changed: whoever depends on that looks again.
  void touch(const Instance& instance);
  /// Something about a Service or a workload has changed: the same.
  void touch(const model::Ref& ref);
  void touch_services_of(const model::Ref& workload);
  void report_with_declarers(const model::Ref& ref);
  void touch_services(const Publisher::Refs& refs);
  runtime::Task<bool> report(store::Key key);
  runtime::Task<bool> report_pod(store::Key key);
  runtime::Task<bool> report_slices(model::Ref service);
  runtime::Task<bool> write_status(store::Key key, base::Json status);
  /// Creates or replaces an object that lives in memory only, with its status.
  runtime::Task<bool> write_object(base::Json object);
  runtime::Task<bool> remove_object(store::Key key);
  void record(const model::Ref& workload, EventType type, std::string reason, std::string message);
  void record(const Instance& instance, EventType type, std::string reason, std::string message);

  // shutdown.cpp: everything stops.
  void tell(std::string_view event, const Instance& instance);
  void end_if_stopped();

  runtime::Reactor& reactor_;
  store::Store& store_;
  provider::Provider& provider_;
  Prober& prober_;
  base::Random random_;

  World world_;
  std::uint64_t next_number_ = 1;
  bool is_adopted_ = false;
  bool has_caught_up_ = false;  // no status is left as a predecessor wrote it
  bool is_rebuild_due_ = false;
  bool stopping_ = false;
  base::MonoTime next_rebuild_{};
  std::optional<std::expected<void, std::string>> outcome_;
  runtime::Event ended_;
  std::vector<std::shared_ptr<runtime::Queue<std::string>>> followers_;
  std::map<model::Ref, std::set<std::string>> slices_;  // names of those that are stored

  Addresses addresses_;
  Events events_;
  Publisher publisher_;
  WorkQueue<store::Key> reports_;
  WorkQueue<Decision> decisions_;
  runtime::Scope scope_;  // last: its tasks use all of the above
};

}  // namespace weft::control::reconcile
