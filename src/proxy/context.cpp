#include "proxy/context.h"

#include <algorithm>

namespace weft::proxy {
namespace {

const snapshot::Cluster* previous(const Config* config, const snapshot::Cluster& cluster) {
  if (config == nullptr) return nullptr;
  const auto* same = find_cluster(config->snapshot(), cluster.name);
  return same != nullptr && same->protocol == cluster.protocol ? same : nullptr;
}

using Listeners = decltype(Context::listeners);

/// The one at that address, mostly under the same name.
Listeners::const_iterator known_listener(const Listeners& listeners, const snapshot::Listener& config) {
  const auto is_same = [&](const auto& entry) { return entry.second->config->address == config.address; };
  const auto named = listeners.find(config.name);
  if (named != listeners.end() && is_same(*named)) return named;
  return std::ranges::find_if(listeners, is_same);
}

}  // namespace

std::vector<LocalPtr<ListenerState>> put_in_force(LocalPtr<Context> context, PlanPtr plan,
                                                  const ClusterParts& parts) {
  const LocalPtr next(new Config(std::move(plan)));
  const auto before = context->config;
  const auto& snapshot = next->snapshot();
  next->clusters.reserve(snapshot.clusters.size());
  for (const auto& cluster : snapshot.clusters) {
    const auto* same = previous(before.get(), cluster);
    auto state = same != nullptr
                     ? LocalPtr(&before->state_of(*same))
                     : LocalPtr(new ClusterState(parts.reactor, parts.limits, parts.counters, parts.random));
    if (same == nullptr || *same != cluster) state->update(cluster);
    next->clusters.push_back(std::move(state));
  }
  if (before) {
    for (const auto& cluster : before->snapshot().clusters) {
      const auto* now = find_cluster(snapshot, cluster.name);
      if (now == nullptr || now->protocol != cluster.protocol) before->state_of(cluster).retire();
    }
  }

  auto listeners = std::move(context->listeners);
  context->listeners.clear();
  for (const auto& listener : snapshot.listeners) {
    LocalPtr<ListenerState> state;
    const auto known = known_listener(listeners, listener);
    if (known != listeners.end()) {
      state = listeners.extract(known).mapped();
    } else {
      state = LocalPtr(new ListenerState(context));
    }
    if (state->config != nullptr && state->config->name != listener.name) state->log_fields.clear();
    state->has_new_protocol = state->config != nullptr && state->config->protocol != listener.protocol;
    state->config = &listener;
    context->listeners.emplace(listener.name, std::move(state));
  }
  std::vector<LocalPtr<ListenerState>> removed;
  for (auto& [name, listener] : listeners) {
    listener->is_removed = true;
    listener->last = before;
    removed.push_back(std::move(listener));
  }
  context->config = next;
  return removed;
}

std::vector<LocalPtr<ListenerState>> take_out_of_force(Context& context) {
  std::vector<LocalPtr<ListenerState>> removed;
  for (auto& [name, listener] : context.listeners) {
    listener->is_removed = true;
    listener->last = context.config;
    removed.push_back(std::move(listener));
  }
  context.listeners.clear();
  if (context.config) {
    for (auto& cluster : context.config->clusters) cluster->retire();
  }
  return removed;
}

}  // namespace weft::proxy
