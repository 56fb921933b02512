#include "control/reconcile/engine.h"

#include <algorithm>
#include <utility>

#include "control/reconcile/reconcile.h"
#include "control/reconcile/workload_status.h"

namespace weft::control::reconcile {

namespace {
/// Decisions do not wait for anything: one at a time.
constexpr std::size_t decisions_at_once = 1;
}  // namespace

Engine::Engine(runtime::Reactor& reactor, store::Store& store, provider::Provider& provider,
               DataPlane& data_plane, Prober& prober, base::Random random)
    : reactor_(reactor),
      store_(store),
      addresses_(provider),
      events_(reactor, store, random),
      publisher_(reactor, world_, addresses_, data_plane,
                 [this](const Publisher::Refs& refs) { touch_services(refs); }),
      reports_(reactor, status_writers, [this](store::Key key) { return report(std::move(key)); }),
      decisions_(reactor, decisions_at_once,
                 [this](Decision decision) { return decide(std::move(decision)); }),
      runner_(reactor, provider, prober, random, world_, addresses_, publisher_, *this,
              [this](const Instance& instance) { return is_restarted(instance); }),
      externals_(reactor, prober, world_, [this](const model::Ref& service) {
        publisher_.request(service);
        touch(service);
      }) {}

runtime::Task<std::expected<void, std::string>> Engine::run() {
  auto watches = load();
  auto adopted = co_await adopt();
  if (!adopted) co_return adopted;
  scope_.spawn(run_instances());
  for (auto& [kind, watch] : watches) scope_.spawn(follow_store(kind, std::move(watch)));
  scope_.spawn(publisher_.run());
  rebuild();
  end_if_stopped();  // of one that was to stop before it knew what
  if (!outcome_) co_await ended_.wait();
  co_return *outcome_;
}

runtime::Task<std::expected<void, std::string>> Engine::adopt() {
  if (auto adopted = co_await runner_.adopt(); !adopted) co_return adopted;
  for (auto& [ref, workload] : world_.workloads()) {
    if (!workload.job || !workload.is_stored) continue;
    if (const auto object = store_.get(key_of(ref))) restore_job(workload, *object);
    judge_job(workload);
  }
  world_.refresh_graph();
  // Their addresses are known before anything is published, so that nothing is taken from the proxies.
  Addresses::Keys keys;
  for (const auto& [id, instance] : world_.instances()) {
    for (const auto& bound : instance->ports) {
      keys.insert(compile::inbound_key(instance->ns(), instance->name, bound.port.number));
    }
  }
  (void)co_await addresses_.ensure(std::move(keys));
  is_adopted_ = true;
  adopt_revisions();
  co_return std::expected<void, std::string>();
}

std::optional<std::string> Engine::not_ready() {
  if (!is_adopted_) return "instances are being adopted";
  if (publisher_.passes() == 0) return "nothing is published yet";
  has_caught_up_ = has_caught_up_ || reports_.idle();
  if (!has_caught_up_) return "what the last control plane has said of the resources is being looked over";
  return {};
}

Reconciler::Work Engine::work() const {
  return {decisions_.handled(), reports_.handled(), publisher_.passes(), publisher_.compiled()};
}

base::Json Engine::status() const {
  int running = 0;
  int ready = 0;
  for (const auto& [id, instance] : world_.instances()) {
    running += instance->has_process ? 1 : 0;
    ready += instance->ready ? 1 : 0;
  }
  const auto stored =
      std::ranges::count_if(world_.workloads(), [](const auto& entry) { return entry.second.is_stored; });
  return {{"instances", {{"total", world_.instances().size()}, {"running", running}, {"ready", ready}}},
          {"workloads", stored},
          {"services", world_.services().size()},
          {"contexts", publisher_.contexts()},
          {"publications", publisher_.passes()},
          {"stopping", stopping_}};
}

Reconciler::Reconciler(runtime::Reactor& reactor, store::Store& store, provider::Provider& provider,
                       DataPlane& data_plane, Prober& prober, base::Random random)
    : engine_(std::make_unique<Engine>(reactor, store, provider, data_plane, prober, random)) {}

Reconciler::~Reconciler() = default;

runtime::Task<std::expected<void, std::string>> Reconciler::run() { return engine_->run(); }
std::optional<std::string> Reconciler::not_ready() const { return engine_->not_ready(); }
void Reconciler::stop_all() { engine_->stop_all(); }
void Reconciler::stop_instance(const std::string& ns, const std::string& pod) {
  engine_->stop_instance(ns + "/" + pod);
}
std::shared_ptr<runtime::Queue<std::string>> Reconciler::follow_stop() { return engine_->follow_stop(); }
base::Json Reconciler::status() const { return engine_->status(); }
Reconciler::Work Reconciler::work() const { return engine_->work(); }

std::optional<std::string> Reconciler::instance_of_pod(const std::string& ns, const std::string& pod) const {
  const auto instance = engine_->world().find_instance(ns + "/" + pod);
  if (!instance) return {};
  return instance->id();
}

}  // namespace weft::control::reconcile
