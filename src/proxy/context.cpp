#include "proxy/context.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

namespace weft::proxy {
namespace {

/// The place in `config` of the cluster that is as good as this one; nothing if it has none.
std::optional<std::size_t> place_before(const Config& config, const snapshot::Cluster& cluster) {
  const auto& clusters = config.snapshot().clusters;
  const auto at = clusters.place(cluster.name);
  return at && clusters[*at].protocol == cluster.protocol ? at : std::nullopt;
}

/// The clusters' states for `next`: where nothing has come or gone, those of `before` in their places.
void take_clusters(Config& next, const Config* before, const ClusterParts& parts) {
  const auto& clusters = next.snapshot().clusters;
  next.clusters.reserve(clusters.size());
  std::vector<bool> is_kept(before == nullptr ? 0 : before->clusters.size());
  const bool has_same_places = before != nullptr && next.plan->index.has_clusters_of(before->plan->index);
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    const bool is_same = has_same_places && clusters.shared(i) == before->snapshot().clusters.shared(i);
    const auto known = is_same             ? std::optional(i)
                       : before != nullptr ? place_before(*before, clusters[i])
                                           : std::nullopt;
    auto state = known
                     ? before->clusters[*known]
                     : LocalPtr(new ClusterState(parts.reactor, parts.limits, parts.counters, parts.random));
    if (known) is_kept[*known] = true;
    const bool is_equal = is_same || (known && before->snapshot().clusters[*known] == clusters[i]);
    if (!is_equal) state->update(clusters[i], parts.tls.of(clusters[i]));
    next.clusters.push_back(std::move(state));
  }
  for (std::size_t i = 0; i < is_kept.size(); ++i) {
    if (!is_kept[i]) before->clusters[i]->retire();
  }
}

/// Whether clients who came when `state` was as its `config` says go on with `now`: by the same address and
/// protocol, with or without TLS, as those whom `tls` takes still. It is for those that come.
bool is_good_for(const snapshot::Listener& now, const std::shared_ptr<tls::ServerContext>& tls,
                 const ListenerState& state) {
  const auto& before = *state.config;
  if (before.protocol != now.protocol || before.address != now.address ||
      static_cast<bool>(before.tls) != static_cast<bool>(now.tls))
    return false;
  // Where none could be had nobody has come.
  return !now.tls || tls == state.tls || (tls && state.tls && trusts_as_before(*tls, *state.tls));
}

using Numbers = std::vector<ListenerNumber>;

/// Plans are made on the proxy's one main thread.
ListenerNumber new_number() {
  static ListenerNumber last = 0;
  return ++last;
}

/// First by address, then by name among those that have gone from theirs: so each address that stays keeps
/// its listener, and with it the socket.
std::shared_ptr<const Numbers> number_listeners(const snapshot::Parts<snapshot::Listener>& listeners,
                                                const Plan* before) {
  if (before != nullptr && listeners.is_same(before->snapshot->listeners)) return before->numbers;
  std::unordered_map<base::Address, std::size_t> known;
  if (before != nullptr) {
    for (std::size_t i = 0; i < before->numbers->size(); ++i)
      known.emplace(before->snapshot->listeners[i].address, i);
  }
  constexpr ListenerNumber none = 0;
  Numbers numbers;
  numbers.reserve(listeners.size());
  for (const auto& listener : listeners) {
    const auto at = known.find(listener.address);
    numbers.push_back(at == known.end() ? none : (*before->numbers)[at->second]);
    if (at != known.end()) known.erase(at);
  }
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] != none) continue;
    const auto at = before == nullptr ? std::nullopt : before->snapshot->listeners.place(listeners[i].name);
    const bool is_free = at && known.contains(before->snapshot->listeners[*at].address);
    numbers[i] = is_free ? (*before->numbers)[*at] : new_number();
  }
  return std::make_shared<const Numbers>(std::move(numbers));
}

}  // namespace

Plan::Plan(snapshot::SnapshotPtr from, const Plan* before)
    : snapshot(std::move(from)),
      index(*snapshot, before == nullptr ? nullptr : &before->index),
      numbers(number_listeners(snapshot->listeners, before)) {}

ListenerChanges put_in_force(LocalPtr<Context> context, PlanPtr plan, const ClusterParts& parts) {
  const LocalPtr next(new Config(std::move(plan)));
  const auto before = context->config;
  take_clusters(*next, before.get(), parts);
  context->config = next;
  ListenerChanges changes;
  changes.has_any = !before || !next->plan->index.has_listeners_of(before->plan->index);
  if (!changes.has_any) return changes;

  auto listeners = std::move(context->listeners);
  context->listeners.clear();
  std::size_t place = 0;
  for (const auto& listener : next->snapshot().listeners) {
    const auto number = (*next->plan->numbers)[place];
    auto known = listeners.extract(number);
    auto state = known ? std::move(known.mapped()) : LocalPtr(new ListenerState(context));
    if (state->config != nullptr && state->config->name != listener.name) state->log_fields.clear();
    const auto* last = state->config;
    const bool has_same_tls =
        last != nullptr && last->protocol == listener.protocol && last->tls == listener.tls;
    auto tls = has_same_tls ? state->tls : parts.tls.of(listener);
    if (last != nullptr && !is_good_for(listener, tls, *state)) {
      ++state->generation;
      changes.has_new_generation = true;
    }
    state->tls = std::move(tls);
    state->config = &listener;
    state->place = place++;
    state->number = number;
    context->listeners.emplace(number, std::move(state));
  }
  for (auto& [number, listener] : listeners) {
    listener->last = before;
    changes.removed.push_back(std::move(listener));
  }
  return changes;
}

std::vector<LocalPtr<ListenerState>> take_out_of_force(Context& context) {
  std::vector<LocalPtr<ListenerState>> removed;
  for (auto& [number, listener] : context.listeners) {
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
