// The store's objects and the provider's changes into the World.
#include <fmt/format.h>

#include "control/reconcile/engine.h"
#include "control/reconcile/workload_status.h"
#include "model/kinds.h"
#include "runtime/log.h"

namespace weft::control::reconcile {

void Engine::load() {
  version_ = store_.version();
  take_in_all();
  world_.refresh_graph();
}

void Engine::take_in_all() {
  for (const auto& kind : model::kinds()) {
    if (kind.ephemeral) continue;
    for (const auto& object : store_.list(kind.kind)) world_.put(store::key_of(*object), object);
  }
}

runtime::Task<void> Engine::follow_store() {
  for (;;) {
    auto watch = store_.watch({}, version_);
    if (!watch) {
      // Too far behind: what is stored now, and whatever is gone since.
      runtime::log::warning("reconcile", "the watch is behind, all is read again: {}", watch.error().detail);
      version_ = store_.version();
      world_.forget_missing(store_);
      take_in_all();
      ask_for_rebuild();
      watch = store_.watch({}, version_);
      if (!watch) co_return give_up("the store cannot be watched: " + watch.error().detail);
    }
    for (;;) {
      auto events = co_await (*watch)->next();
      if (!events) break;
      for (const auto& event : *events) take_in(event);
    }
  }
}

void Engine::take_in(const store::Event& event) {
  version_ = event.version;
  if (store::is_ephemeral(event.key.kind)) return;
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
  for (const auto& ref : world_.take_changes()) touch(ref);
  if (world_.take_compile_due()) publisher_.request();
  const auto now = reactor_.clock().now();
  next_rebuild_ = now + (now - began) * pass_rest_factor;
}

runtime::Task<void> Engine::follow_provider() {
  for (;;) {
    auto change = co_await provider_.next_change();
    if (!change) co_return give_up("the provider is lost: " + change.error().detail);
    const auto instance = world_.find_instance(change->id);
    if (!instance || change->phase != provider::Phase::exited) continue;
    // Of the run that is under way, not of one before it.
    if (instance->pid != -1 && change->pid != -1 && instance->pid != change->pid) continue;
    instance->last_exit = change->exit;
    instance->exited.set();
  }
}

void Engine::give_up(std::string why) {
  outcome_ = std::unexpected(std::move(why));
  ended_.set();
}

}  // namespace weft::control::reconcile
