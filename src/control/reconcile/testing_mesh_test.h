// A mesh for tests of the reconcilers: a store in memory, a provider, probes and proxies that do as they are
// told, and a clock that moves only here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "control/reconcile/reconcile.h"
#include "runtime/combine.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "store/change.h"
#include "store/history.h"
#include "store/store.h"

namespace weft::control::reconcile::testing {

/// Its versions are no numbers, and each kind has its own, as a Kubernetes API server may have them.
class MemoryStore final : public store::Store {
 public:
  explicit MemoryStore(runtime::Reactor& reactor) : reactor_(reactor) {}
  store::Object get(const store::Key& key) const override;
  store::List list(std::string_view kind, std::string_view ns) const override;
  store::Result<store::Version> parse_version(std::string_view text) const override;
  runtime::Task<store::Result<store::Object>> create(base::Json object) override;
  runtime::Task<store::Result<store::Object>> update(base::Json object) override;
  runtime::Task<store::Result<store::Object>> update_status(base::Json object) override;
  runtime::Task<store::Result<store::Object>> remove(store::Key key,
                                                     std::optional<store::Version> version) override;
  store::Result<std::unique_ptr<store::Watch>> watch(std::string kind, store::Version since) override;

  /// Writes of status fail.
  bool is_full = false;
  /// So many events of each kind are kept for watches.
  std::size_t kept_events = store::history_limit;
  /// All that were made.
  std::uint64_t changes = 0;

 private:
  std::uint64_t newest(std::string_view kind) const;
  store::Stamp stamp(const store::Key& key, std::string uid = {}) const;
  void keep(store::Event::Type type, const store::Key& key, store::Object object);
  store::History& history(const std::string& kind);

  runtime::Reactor& reactor_;
  std::map<store::Key, store::Object> objects_;
  std::map<std::string, std::shared_ptr<store::History>, std::less<>> histories_;
};

class FakeProvider final : public provider::Provider {
 public:
  explicit FakeProvider(base::Clock& clock) : clock_(clock) {}

  runtime::Task<provider::Result<provider::Instance>> start(provider::InstanceSpec spec) override;
  runtime::Task<provider::Result<provider::Instance>> stop(
      std::string id, std::optional<std::chrono::milliseconds> grace) override;
  runtime::Task<provider::Result<void>> remove(std::string id) override;
  runtime::Task<provider::Result<void>> refresh(std::string id, std::vector<provider::Volume> volumes,
                                                provider::RunAs run_as) override;
  runtime::Task<provider::Result<void>> note(std::string id, std::string text) override;
  runtime::Task<provider::Result<std::vector<provider::Instance>>> list() override;
  runtime::Task<provider::Result<provider::Instance>> next_change() override;
  runtime::Task<provider::Result<provider::Located>> locate(std::string id, bool may_be_fixed) override;
  runtime::Task<provider::Result<int>> execute(std::string id, std::vector<std::string> argv,
                                               std::chrono::milliseconds limit) override;
  runtime::Task<provider::Result<std::unique_ptr<provider::LogReader>>> logs(
      std::string id, provider::LogOptions options) override;
  runtime::Task<provider::Result<base::Address>> reserve(std::string key) override;
  runtime::Task<provider::Result<void>> release(std::vector<std::string> keys) override;

  /// The process of an instance ends by itself.
  void end(const std::string& id, std::optional<int> code, std::optional<int> signal = {});
  /// A control plane that comes now is told of changes; the one before it no more.
  void new_control_plane() { changes_ = std::make_unique<runtime::Queue<provider::Instance>>(); }
  /// The supervisor is gone.
  void lose() { changes_->close(); }
  /// Ids of those that run, by workload's name.
  std::vector<std::string> running(const std::string& workload) const;

  /// "start web", "stop web", "reserve edge/default/web/80", with workloads' names.
  std::vector<std::string> calls;
  std::map<std::string, provider::Instance> instances;
  std::map<std::string, provider::InstanceSpec> specs;
  std::set<std::string> missing_images;
  /// Not set: what runs is not told until it is.
  runtime::Event listing;
  std::set<std::string> held_stops;          // workloads whose stop does not end
  std::chrono::milliseconds last_grace{-1};  // of the last stop
  std::map<std::string, base::Address> reserved;
  /// Keys whose address somebody else has.
  std::set<std::string> taken;
  bool take_inbound = false;
  /// Keys that begin so are not reserved until `reserving` is set.
  std::string held_reservations;
  runtime::Event reserving;
  /// Called as each instance starts.
  std::function<void(const provider::InstanceSpec&)> on_start;
  /// Workloads whose instances listen on their containerPort whatever they are told.
  std::set<std::string> deaf;
  provider::Result<int> exec_result = 0;
  /// Not set: volumes are not made anew until it is.
  runtime::Event refreshing;
  /// The most instances that ran at a time, by workload.
  std::map<std::string, std::size_t> most_running;

 private:
  base::Clock& clock_;
  int next_pid_ = 100;
  std::uint16_t next_port_ = 30'000;
  std::uint16_t next_reserved_ = 20'000;
  std::unique_ptr<runtime::Queue<provider::Instance>> changes_ =
      std::make_unique<runtime::Queue<provider::Instance>>();
};

class FakeProber final : public Prober {
 public:
  runtime::Task<ProbeResult> probe(model::Probe probe, ProbeTarget target) override;
  runtime::Task<std::expected<runtime::HostAddresses, std::string>> resolve(std::string host) override;
  /// What names have; others are not there.
  std::map<std::string, runtime::HostAddresses> hosts;
  /// Not set: lookups end when it is.
  runtime::Event resolving;
  /// Workloads (or ids) whose probes fail; by "liveness <workload>" only those with a failureThreshold of 1.
  std::set<std::string> failing;
  /// Those of a FakeProvider: nobody answers where they were told to listen.
  std::set<std::string> deaf;
  int asked = 0;
  /// The first words of those by exec, in order; if `held` is set they end when it is.
  std::vector<std::string> commands;
  runtime::Event* held = nullptr;
};

class FakeDataPlane final : public DataPlane {
 public:
  explicit FakeDataPlane(runtime::Reactor& reactor) : reactor_(reactor) {}
  void publish(std::string node, snapshot::SnapshotPtr snapshot) override;
  void place(std::string node, std::vector<snapshot::ContextId> contexts) override;
  runtime::Task<Settlement> settled(snapshot::ContextId context, base::Duration limit) override;
  runtime::Task<bool> drained(std::string node, snapshot::ContextId context,
                              std::vector<std::string> listeners, base::Duration limit) override;

  /// Endpoints of a cluster in the edge's context, as "instance health".
  std::vector<std::string> endpoints(const std::string& cluster) const;
  int healthy(const std::string& cluster) const;

  std::map<snapshot::ContextId, snapshot::SnapshotPtr> published;
  std::map<std::string, std::vector<snapshot::ContextId>> placed;
  int publications = 0;
  std::size_t proxies = 1;
  std::string refusal;
  /// Not set: proxies do not answer until it is.
  runtime::Event answering;
  /// Not set: something is under way at every listener that drains.
  runtime::Event resting;
  /// The fewest healthy endpoints that each cluster of the edge has had since it was cleared.
  std::map<std::string, int> fewest_healthy;

 private:
  runtime::Reactor& reactor_;
};

class Mesh {
 public:
  Mesh();
  ~Mesh();

  /// Starts a control plane; one that runs is gone (killed) first.
  void start_control_plane();
  void kill_control_plane();
  Reconciler& control_plane() { return *reconciler_; }
  /// How run() ended, nothing while it runs.
  const std::optional<std::expected<void, std::string>>& outcome() const { return outcome_; }

  /// Creates or replaces the objects of a YAML text.
  void apply(std::string_view yaml);
  void remove(const std::string& kind, const std::string& name);
  /// Sets one field, by JSON pointer.
  void patch(const std::string& kind, const std::string& name, const std::string& pointer, base::Json value);
  /// null if it does not exist.
  base::Json get(const std::string& kind, const std::string& name) const;
  /// "status reason" of a condition, and its message.
  std::string condition(const std::string& kind, const std::string& name, const std::string& type) const;
  std::string message(const std::string& kind, const std::string& name, const std::string& type) const;

  /// Runs what can run now.
  void settle();
  /// Lets time pass, with all that happens meanwhile.
  void pass(base::Duration time);
  /// Lets time pass until `condition`; false if it did not come true within `limit`.
  template <class Condition>
  bool until(Condition condition, base::Duration limit = std::chrono::seconds(30)) {
    for (base::Duration passed{0};; passed += step) {
      settle();
      if (condition()) return true;
      if (passed >= limit) return false;
      clock.advance(step);
    }
  }

  /// The workloads of the calls that begin with `verb`, in order.
  std::vector<std::string> order(const std::string& verb) const;
  int ready(const std::string& deployment) const;

  static constexpr base::Duration step = std::chrono::milliseconds(10);

  base::ManualClock clock;
  runtime::Reactor reactor{clock};
  MemoryStore store{reactor};
  FakeProvider provider{clock};
  FakeProber prober;
  FakeDataPlane data_plane{reactor};

 private:
  runtime::Task<void> run();

  std::uint64_t seed_ = 1;
  std::optional<std::expected<void, std::string>> outcome_;
  std::unique_ptr<Reconciler> reconciler_;
  std::unique_ptr<runtime::Scope> scope_;
};

}  // namespace weft::control::reconcile::testing
