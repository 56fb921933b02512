// What the store holds and what is seen of instances into the World.
#include <fmt/format.h>

#include "control/reconcile/config.h"
#include "control/reconcile/engine.h"
#include "control/reconcile/workload_status.h"
#include "model/kinds.h"
#include "runtime/log.h"

namespace weft::control::reconcile {

store::Result<std::unique_ptr<store::Watch>> Engine::read(std::string_view kind) {
  auto [objects, version] = store_.list(kind);
  world_.replace(kind, objects);
  return store_.watch(std::string(kind), std::move(version));
}

Engine::Watches Engine::load() {
  Watches watches;
  for (const auto& kind : model::kinds()) {
    if (!kind.ephemeral) watches.emplace(kind.kind, read(kind.kind));
  }
  world_.refresh_graph();
  return watches;
}

/// One kind. The changes of several kinds may come in any order, for what is decided rests on all that is
/// known then.
runtime::Task<void> Engine::follow_store(std::string_view kind,
                                         store::Result<std::unique_ptr<store::Watch>> watch) {
  while (watch) {
    auto events = co_await (*watch)->next();
    if (events) {
      for (const auto& event : *events) take_in(event);
      continue;
    }
    // Too far behind: what is stored now, and whatever is gone since.
    runtime::log::warning("reconcile", "the watch is behind, all of kind {} is read again: {}", kind,
                          events.error().detail);
    watch = read(kind);
    if (is_config(kind)) runner_.config_changed({});
    ask_for_rebuild();
  }
  give_up(fmt::format("the store cannot be watched for kind {}: {}", kind, watch.error().detail));
}

void Engine::take_in(const store::Event& event) {
  if (is_config(event.key.kind)) {
    if (event.type == store::Event::Type::deleted) {
      world_.remove(event.key);
    } else {
      world_.put(event.key, event.object);
    }
    return runner_.config_changed(event.key);
  }
  if (event.type == store::Event::Type::deleted) {
    world_.remove(event.key);
  } else if (!world_.put(event.key, event.object)) {
    return;
  }
  ask_for_rebuild();
}

void Engine::ask_for_rebuild() {
  is_rebuild_due_ = true;
  decisions_.add_after({}, next_rebuild_ - reactor_.clock().now());
}

void Engine::rebuild() {
  const auto began = reactor_.clock().now();
  is_rebuild_due_ = false;
  for (const auto& ref : world_.take_changes()) {
    externals_.look(ref);
    touch(ref);
  }
  for (const auto& key : world_.take_attached_changes()) reports_.add(key);
  if (const auto changes = world_.take_compile_changes(); !changes.empty()) publisher_.request(changes);
  const auto now = reactor_.clock().now();
  next_rebuild_ = now + (now - began) * pass_rest_factor;
}

runtime::Task<void> Engine::run_instances() { give_up("the provider is lost: " + co_await runner_.run()); }

void Engine::appeared(InstancePtr instance) { world_.add(instance); }

void Engine::changed(const Instance& instance) {
  reports_.add(pod_key(instance));
  publisher_.request(instance.workload);
  touch(instance.workload);
}

void Engine::finished(const Instance& instance) {
  auto* workload = world_.find_workload(instance.workload);
  if (workload && workload->job && !instance.has_succeeded()) {
    const auto now = reactor_.clock().now();
    workload->run.retry_at = now + workload->run.backoff.next(now - instance.running_since);
  }
  changed(instance);
}

void Engine::stopping(const Instance& instance) { tell("stopping", instance); }

void Engine::stopped(const Instance& instance) {
  tell("stopped", instance);
  changed(instance);
  for (const auto& target : world_.stop_edges().targets(instance.workload)) decisions_.add(target);
}

void Engine::gone(const Instance& instance) {
  if (auto* workload = world_.find_workload(instance.workload); workload && workload->job)
    count_gone(*workload, instance);
  world_.erase(instance);
  changed(instance);
  if (!world_.find_workload(instance.workload)) ask_for_rebuild();
  end_if_stopped();
}

void Engine::give_up(std::string why) {
  outcome_ = std::unexpected(std::move(why));
  ended_.set();
}

}  // namespace weft::control::reconcile
