// What the reconcilers know: the stored resources as values, the instances, and the dependency graph over
// them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "control/reconcile/attached.h"
#include "control/reconcile/backoff.h"
#include "control/reconcile/external.h"
#include "control/reconcile/gate.h"
#include "control/reconcile/instance.h"
#include "control/reconcile/stop_order.h"
#include "model/dependency.h"
#include "model/resource.h"
#include "store/store.h"

namespace weft::control::reconcile {

/// Runs of a Job that have ended and that the provider no longer lists: the mesh was stopped, or its
/// supervisor died (they are known from the stored status then).
struct LostRuns {
  int succeeded = 0;
  int failed = 0;
};

/// How far a Job's present template has been carried out. Another template is another run.
struct JobRun {
  /// When its first instance was started; nothing before that, and while it is suspended.
  std::optional<base::WallTime> started_at;
  LostRuns lost;
  bool is_complete = false;
  bool is_failed = false;
  /// Of what has failed: "BackoffLimitExceeded", and words about it.
  std::string reason;
  std::string failure;
  Backoff backoff;
  /// After a failed instance: not before this time.
  base::MonoTime retry_at{};
};

/// The newest of a Deployment's ControllerRevisions.
struct NewestRevision {
  std::string template_hash;
  std::int64_t number = 0;
};

struct Workload {
  model::Ref ref;
  /// Exactly one of the two; the last known one if it is no longer stored.
  std::shared_ptr<const model::Deployment> deployment;
  std::shared_ptr<const model::Job> job;
  bool is_stored = true;
  /// Hash of the template.
  std::string revision;
  /// Services that it is told the addresses of ("ns/name"); with the graph.
  std::set<std::string> dependencies;
  std::vector<InstancePtr> instances;

  Gate gate;
  /// Since when the gate keeps it waiting.
  std::optional<base::MonoTime> waiting_since;
  /// Why no instance can be made at all ("ProviderNotFound"), and words about it.
  std::string fault;
  std::string fault_message;
  /// Whom it waits for before it stops.
  std::optional<model::Ref> stops_after;

  JobRun run;
  NewestRevision newest;

  const model::PodTemplateSpec& pod_template() const {
    return deployment ? deployment->spec.pod_template : job->spec.pod_template;
  }
  const model::ObjectMeta& metadata() const { return deployment ? deployment->metadata : job->metadata; }
  /// How many instances its specification asks for at a time.
  int replicas() const;
  /// How long an instance must have been ready to count as available.
  base::Duration min_ready() const {
    return std::chrono::seconds(deployment ? deployment->spec.min_ready_seconds : 0);
  }
  bool is_over() const { return run.is_complete || run.is_failed; }
};

struct ServiceEntry {
  std::shared_ptr<const model::Service> service;
  /// The publication in which it first had a ready endpoint; nothing while it has none.
  std::optional<std::uint64_t> ready_in;
  /// Its ready endpoints in the last publication, the publication in which they last became more, and how
  /// many the proxies surely had before that.
  int routed = 0;
  std::uint64_t grown_in = 0;
  int routed_before = 0;
};

struct External {
  std::shared_ptr<const model::ExternalService> service;
  ExternalState state;
};

class World {
 public:
  /// Takes in a stored object after a change; gives whether anything but its status differs from before.
  bool put(const store::Key& key, const store::Object& object);
  /// Takes in a deletion. A workload stays known for as long as it has instances.
  void remove(const store::Key& key);
  /// Takes in all objects of a kind as they are now; what is not among them is gone.
  void replace(std::string_view kind, const std::vector<store::Object>& objects);
  /// Makes the graph, and what each workload is told of, anew if what it is made from has changed since.
  void refresh_graph();
  /// The same, and gives what is to be looked at again: all that was stored, changed, removed or marked since
  /// the last call, and every workload whose place in the graph is another one.
  std::set<model::Ref> take_changes();
  void mark(const model::Ref& ref) { changed_.insert(ref); }
  /// What is stored that Snapshots are made from.
  struct CompileChanges {
    /// The mesh's configuration, which leads to everything.
    bool has_everything = false;
    /// Services and workloads: they themselves, or whom the graph leads to from them.
    std::set<model::Ref> refs;
    bool empty() const { return !has_everything && refs.empty(); }
  };
  /// What of it has changed since the last call.
  CompileChanges take_compile_changes() { return std::exchange(compile_changes_, {}); }

  /// Policies and routes of whose status something else may be true now.
  std::set<store::Key> take_attached_changes() { return std::exchange(changed_attached_, {}); }

  const model::DependencyGraph& graph() const { return *graph_; }
  Workload* find_workload(const model::Ref& ref);
  const Workload* find_workload(const model::Ref& ref) const;
  /// The workload, made as one that is not stored if it is unknown (an orphan's owner).
  Workload& workload_of_orphan(const model::Ref& ref);
  InstancePtr find_instance(const std::string& id) const;
  /// A stored object as it is; null if there is none.
  store::Object find_object(const store::Key& key) const;
  void add(const InstancePtr& instance);
  void erase(const Instance& instance);

  std::map<model::Ref, Workload>& workloads() { return workloads_; }
  const std::map<model::Ref, Workload>& workloads() const { return workloads_; }
  std::map<model::Ref, ServiceEntry>& services() { return services_; }
  const std::map<model::Ref, ServiceEntry>& services() const { return services_; }
  const std::map<std::string, InstancePtr>& instances() const { return instances_; }
  /// Of those Services that weft does not run; null of all others.
  const External* find_external(const model::Ref& service) const;
  /// What is known of one now; whether something else is to be shown. Of one that is gone nothing happens.
  bool put_external(const model::Ref& service, ExternalState state);
  const model::MeshConfigSpec& mesh() const { return mesh_; }
  const Policies& policies() const { return policies_; }
  const Routes& routes() const { return routes_; }
  /// Whether a provider of that name is there ("process" always is).
  bool has_provider(const std::string& name) const;
  /// Who depends on whom, as it was when their instances were started: kept for stopping, also when the
  /// declarations go first.
  const StopEdges& stop_edges() const { return stop_edges_; }
  /// The Services that declare that they depend on `target`.
  const std::set<model::Ref>& declarers(const model::Ref& target) const {
    return declarers_.dependents(target);
  }

  /// How far a dependency's target is.
  TargetState state_of(const model::Ref& target) const;

 private:
  bool decode(const store::Key& key, const base::Json& object);
  template <class T>
  bool put_workload(const model::Ref& ref, const base::Json& object,
                    std::shared_ptr<const T> Workload::* field);
  void put_service(const model::Ref& ref, model::Service service);
  bool put_external(const model::Ref& ref, const base::Json& object, model::ExternalService external);
  void drop(model::Ref ref);
  template <class T>
  bool put_attached(Attached<T>& to, const store::Key& key, const base::Json& object);
  /// Another policy may hold for these, or another route.
  void note_attached(const std::set<model::Ref>& services);
  /// What is attached to it, or names it, may say something else of it.
  void note_named(const model::Ref& service);
  /// A workload stands at another place of the graph than before, or in one of the two only.
  void note_moved(const model::DependencyGraph* before, const model::Ref& ref);
  void remember_stop_edges(const model::Workload& node);
  TargetState state_of_service(const model::Ref& target) const;
  TargetState state_of_workload(const Workload& workload) const;

  std::map<model::Ref, Workload> workloads_;
  std::map<model::Ref, ServiceEntry> services_;
  std::map<model::Ref, External> externals_;
  std::map<std::string, InstancePtr> instances_;  // by id
  std::set<std::string> providers_;
  Policies policies_;
  Routes routes_;
  std::set<store::Key> changed_attached_;  // since the last take_attached_changes()
  model::MeshConfigSpec mesh_;
  std::map<store::Key, store::Object> objects_;
  std::unique_ptr<model::DependencyGraph> graph_;
  bool is_graph_stale_ = true;
  CompileChanges compile_changes_{.has_everything = true, .refs = {}};
  std::set<model::Ref> changed_;  // since the last take_changes()
  StopEdges stop_edges_;
  StopEdges declarers_;  // of Services
};

/// What a stored object is to those that depend on it, for the kinds that a dependency can name.
std::optional<model::Ref> ref_of(const store::Key& key);
store::Key key_of(const model::Ref& ref);
/// Its Pod's.
store::Key pod_key(const Instance& instance);

/// Whether a workload has a context: it has processes, or is to have some.
bool is_active(const Workload& workload);

/// Whether an instance was made from what its workload is now: its template, and at least the dependencies
/// that it declares.
bool is_current(const Workload& workload, const Instance& instance);

}  // namespace weft::control::reconcile
