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
#include "control/reconcile/externals.h"
#include "control/reconcile/observer.h"
#include "control/reconcile/probe.h"
#include "control/reconcile/publisher.h"
#include "control/reconcile/reconcile.h"
#include "control/reconcile/runner.h"
#include "control/reconcile/work_queue.h"
#include "control/reconcile/world.h"
#include "runtime/combine.h"
#include "runtime/scope.h"

namespace weft::control::reconcile {

/// What to decide anew: everything (nothing in it), or one workload.
using Decision = std::optional<model::Ref>;

class Engine final : public Observer {
 public:
  Engine(runtime::Reactor& reactor, store::Store& store, provider::Provider& provider, DataPlane& data_plane,
         Prober& prober, base::Random random);

  runtime::Task<std::expected<void, std::string>> run();
  /// Why nobody should ask this control plane yet.
  std::optional<std::string> not_ready();
  void stop_all();
  void stop_instance(const std::string& id);
  std::shared_ptr<runtime::Queue<std::string>> follow_stop();
  base::Json status() const;
  Reconciler::Work work() const;
  const World& world() const { return world_; }

  void appeared(InstancePtr instance) override;
  void changed(const Instance& instance) override;
  void finished(const Instance& instance) override;
  void stopping(const Instance& instance) override;
  void stopped(const Instance& instance) override;
  void gone(const Instance& instance) override;
  void record(const Instance& instance, EventType type, std::string reason, std::string message) override;

 private:
  /// Takes over what runs already.
  runtime::Task<std::expected<void, std::string>> adopt();

  // inform.cpp: what is stored and what is seen into the World.
  /// Takes in all of a kind as it is now; gives what happens to it from then on.
  store::Result<std::unique_ptr<store::Watch>> read(std::string_view kind);
  using Watches = std::map<std::string_view, store::Result<std::unique_ptr<store::Watch>>>;
  Watches load();
  runtime::Task<void> follow_store(std::string_view kind, store::Result<std::unique_ptr<store::Watch>> watch);
  void take_in(const store::Event& event);
  void ask_for_rebuild();
  void rebuild();
  runtime::Task<void> run_instances();
  /// The end of all: run() gives `why`.
  void give_up(std::string why);

  // workloads.cpp: what to create and what to stop.
  runtime::Task<bool> decide(Decision decision);
  void decide_deployment(Workload& workload);
  void decide_job(Workload& workload);
  void judge_job(Workload& workload);
  /// Its activeDeadlineSeconds pass while it runs.
  void watch_deadline(const Workload& workload);
  /// What has been ready for minReadySeconds counts from now on, and what has not is looked at then.
  void settle_instances(Workload& workload);
  void stop_instances(Workload& workload);
  /// Whether new instances may be made: a provider is there and the gate is open, or was for this template.
  bool may_create(Workload& workload);
  void set_gate(Workload& workload, Gate gate, bool waits);
  bool find_provider(Workload& workload);
  bool is_restarted(const Instance& self) const;
  /// It is to have no process: deleted, or everything stops.
  bool is_going(const Workload& workload) const { return stopping_ || !workload.is_stored; }

  // report.cpp: status and Pods into the store.
  /// Something about a Service or a workload has changed: whoever depends on that looks again.
  void touch(const model::Ref& ref);
  void touch_services_of(const model::Ref& workload);
  void report_with_declarers(const model::Ref& ref);
  void touch_services(const Publisher::Refs& refs);
  runtime::Task<bool> report(store::Key key);
  runtime::Task<bool> report_workload(model::Ref ref);
  runtime::Task<bool> report_pod(store::Key key);
  runtime::Task<bool> report_slices(model::Ref service);
  runtime::Task<bool> write_status(store::Key key, base::Json status);
  /// Creates or replaces an object that lives in memory only, with its status.
  runtime::Task<bool> write_object(base::Json object);
  runtime::Task<bool> remove_object(store::Key key);
  void record(const model::Ref& workload, EventType type, std::string reason, std::string message);

  // revisions.cpp: the templates that a Deployment has had.
  /// Takes in which there are; those of a Deployment that is gone are removed later.
  void adopt_revisions();
  /// Stores the present template as the newest, and removes the oldest beyond the limit; all of a Deployment
  /// that is gone.
  runtime::Task<bool> keep_revisions(model::Ref deployment);
  runtime::Task<bool> trim_revisions(model::Ref deployment, std::string uid, std::size_t most);

  // shutdown.cpp: everything stops.
  void tell(std::string_view event, const Instance& instance);
  void end_if_stopped();

  runtime::Reactor& reactor_;
  store::Store& store_;
  World world_;
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
  Runner runner_;
  Externals externals_;
  runtime::Scope scope_;  // last: its tasks use all of the above
};

}  // namespace weft::control::reconcile
