#include "control/reconcile/engine.h"

#include <algorithm>
#include <utility>

#include "control/reconcile/reconcile.h"

namespace weft::control::reconcile {

namespace {
/// Decisions do not wait for anything: one at a time.
constexpr std::size_t decisions_at_once = 1;
}  // namespace

Engine::Engine(runtime::Reactor& reactor, store::Store& store, provider::Provider& provider,
               DataPlane& data_plane, Prober& prober, base::Random random)
    : reactor_(reactor),
      store_(store),
      provider_(provider),
      prober_(prober),
      random_(random),
      addresses_(provider),
      events_(reactor, store, random),
      publisher_(reactor, world_, addresses_, data_plane,
                 [this](const Publisher::Refs& refs) { touch_services(refs); }),
      reports_(reactor, status_writers, [this](store::Key key) { return report(std::move(key)); }),
      decisions_(reactor, decisions_at_once,
                 [this](Decision decision) { return decide(std::move(decision)); }) {}

runtime::Task<std::expected<void, std::string>> Engine::run() {
  auto watches = load();
  auto adopted = co_await adopt();
  if (!adopted) co_return adopted;
  std::vector<InstancePtr> found;
  for (const auto& [id, instance] : world_.instances()) found.push_back(instance);
  for (const auto& instance : found) scope_.spawn(live(instance));
  scope_.spawn(follow_provider());
  for (auto& [kind, watch] : watches) scope_.spawn(follow_store(kind, std::move(watch)));
  scope_.spawn(publisher_.run());
  rebuild();
  if (!outcome_) co_await ended_.wait();
  co_return *outcome_;
}

std::optional<std::string> Engine::not_ready() {
  if (!is_adopted_) return "instances are being adopted";
  if (publisher_.passes() == 0) return "nothing is published yet";
  has_caught_up_ = has_caught_up_ || reports_.idle();
  if (!has_caught_up_) return "what the last control plane has said of the resources is being looked over";
  return {};
}

Reconciler::Work Engine::work() const {
  return {decisions_.handled(), reports_.handled(), publisher_.passes()};
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
std::shared_ptr<runtime::Queue<std::string>> Reconciler::follow_stop() { return engine_->follow_stop(); }
base::Json Reconciler::status() const { return engine_->status(); }
Reconciler::Work Reconciler::work() const { return engine_->work(); }

std::optional<std::string> Reconciler::instance_of_pod(const std::string& ns, const std::string& pod) const {
  const auto instance = engine_->world().find_instance(ns + "/" + pod);
  if (!instance) return {};
  return instance->id();
}

}  // namespace weft::control::reconcile
