#include "control/reconcile/publisher.h"

#include <algorithm>
#include <ranges>

namespace weft::control::reconcile {
namespace {

std::vector<compile::Instance> instances_to_compile(const World& world) {
  std::vector<compile::Instance> list;
  for (const auto& [id, instance] : world.instances()) {
    // One that is to run again keeps its inbound listener meanwhile: a caller that still knows it is refused
    // at once and goes elsewhere, and does not queue at a socket that nobody accepts from.
    if (instance->state == State::finished) continue;
    list.push_back({instance->ns(), instance->name, instance->node, instance->workload, instance->ready,
                    instance->draining, instance->ports});
  }
  return list;
}

}  // namespace

Publisher::Publisher(runtime::Reactor& reactor, World& world, Addresses& addresses, DataPlane& data_plane,
                     std::function<void(const Refs&)> on_change)
    : reactor_(reactor),
      world_(world),
      addresses_(addresses),
      data_plane_(data_plane),
      on_change_(std::move(on_change)) {}

void Publisher::request() {
  is_requested_ = true;
  requested_.set();
}

runtime::Task<void> Publisher::run() {
  scope_.spawn(confirm_edge());
  for (;;) {
    while (!is_requested_) {
      requested_.clear();
      co_await requested_.wait();
    }
    // From the reactor's loop, so that who asked is not disturbed, and all that ask in this turn share the
    // pass.
    co_await reactor_.sleep(base::Duration::zero());
    co_await pass();
    if (missing(wanted_).empty()) {
      retry_ = retry_first;
    } else if (!is_retrying_) {
      scope_.spawn(request_later());
    }
    if (is_requested_) co_await reactor_.sleep(busy_ * pass_rest_factor);
  }
}

runtime::Task<void> Publisher::request_later() {
  is_retrying_ = true;
  co_await reactor_.sleep(retry_);
  retry_ = std::min<base::Duration>(retry_ * 2, retry_most);
  is_retrying_ = false;
  request();
}

compile::Wanted Publisher::missing(const compile::Wanted& wanted) const {
  compile::Wanted found;
  for (const auto& entry : wanted) {
    if (!addresses_.known().contains(entry.first)) found.insert(entry);
  }
  return found;
}

runtime::Task<void> Publisher::flush() {
  request();
  const auto before = passes_;
  while (passes_ == before) co_await pass_done_.wait();
}

runtime::Task<void> Publisher::flush_and_settle() {
  co_await flush();
  co_await settled(passes_);
}

runtime::Task<void> Publisher::settled(std::uint64_t last) {
  while (!unsettled_.empty() && *unsettled_.begin() <= last) co_await pass_settled_.wait();
}

runtime::Task<void> Publisher::settle(std::uint64_t pass, std::set<snapshot::ContextId> contexts) {
  std::vector<runtime::Task<void>> tasks;
  for (const auto& context : contexts) tasks.push_back(settle_context(context));
  co_await runtime::all(std::move(tasks));
  unsettled_.erase(pass);
  pass_settled_.pulse();
}

runtime::Task<void> Publisher::settle_context(snapshot::ContextId context) {
  (void)co_await data_plane_.settled(std::move(context), drain_limit);
}

auto Publisher::with_input(const auto& use) const {
  std::vector<const model::Service*> services;
  std::vector<const model::Deployment*> deployments;
  std::vector<const model::Job*> jobs;
  for (const auto& [ref, entry] : world_.services()) services.push_back(entry.service.get());
  for (const auto& [ref, workload] : world_.workloads()) {
    if (workload.deployment) deployments.push_back(workload.deployment.get());
    if (workload.job) jobs.push_back(workload.job.get());
  }
  const auto& nodes = world_.graph().workloads();
  std::set<std::size_t> active;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto* workload = world_.find_workload(nodes[i].ref);
    if (workload && is_active(*workload)) active.insert(i);
  }
  const auto instances = instances_to_compile(world_);
  return use(compile::Input{world_.mesh(), services, deployments, jobs, world_.graph(), active, instances,
                            addresses_.known(), provider::local_node});
}

runtime::Task<void> Publisher::pass() {
  auto began = reactor_.clock().now();
  is_requested_ = false;
  const bool is_first = passes_ == 0;
  wanted_ = with_input(compile::wanted);
  const auto fresh = missing(wanted_);
  if (!fresh.empty()) {
    const auto keys = fresh | std::views::keys;
    (void)co_await addresses_.ensure({keys.begin(), keys.end()});  // what fails is told by fault()
    // Without a pause from here to the end: a pass that ends has seen all that was asked for before.
    began = reactor_.clock().now();
    is_requested_ = false;
    wanted_ = with_input(compile::wanted);
  }
  auto changed = publish(with_input(compile::compile));
  std::ranges::copy(fresh | std::views::values, std::back_inserter(changed));
  release_unwanted();
  busy_ = reactor_.clock().now() - began;
  pass_done_.pulse();
  on_change_(is_first ? all_services() : changed);
}

Publisher::Refs Publisher::publish(compile::Snapshots snapshots) {
  ++passes_;
  std::set<snapshot::ContextId> changed;
  for (auto& [node, contexts] : snapshots) publish(node, contexts, changed);
  for (const auto& [node, contexts] : std::exchange(published_, std::move(snapshots))) {
    if (!published_.contains(node)) data_plane_.place(node, {});
  }
  const auto& edge = *published_.find(provider::local_node)->second.at(snapshot::edge_context);
  auto services = note_ready_services(edge);
  if (changed.contains(snapshot::edge_context)) {
    edge_changed_ = passes_;
    edge_changed_event_.set();
  }
  if (!changed.empty()) {
    unsettled_.insert(passes_);
    scope_.spawn(settle(passes_, std::move(changed)));
  }
  return services;
}

void Publisher::publish(const std::string& node, compile::Contexts& contexts,
                        std::set<snapshot::ContextId>& changed) {
  const auto& before = published_[node];
  for (auto& [context, snapshot] : contexts) {
    const auto known = before.find(context);
    if (known != before.end() && *known->second == *snapshot) {
      snapshot = known->second;
      continue;
    }
    if (known != before.end()) {
      auto next = *snapshot;
      next.listeners.share(known->second->listeners);
      next.routes.share(known->second->routes);
      next.clusters.share(known->second->clusters);
      snapshot = std::make_shared<const snapshot::Snapshot>(std::move(next));
    }
    data_plane_.publish(node, snapshot);
    changed.insert(context);
  }
  const auto names = [](const compile::Contexts& of) { return of | std::views::keys; };
  if (!std::ranges::equal(names(before), names(contexts)))
    data_plane_.place(node, {names(contexts).begin(), names(contexts).end()});
}

std::size_t Publisher::contexts() const {
  std::set<snapshot::ContextId> all;
  for (const auto& [node, contexts] : published_) {
    const auto names = contexts | std::views::keys;
    all.insert(names.begin(), names.end());
  }
  return all.size();
}

Publisher::Refs Publisher::note_ready_services(const snapshot::Snapshot& edge) {
  Refs changed;
  for (auto& [ref, entry] : world_.services()) {
    std::ptrdiff_t most = 0;
    for (const auto& port : entry.service->spec.ports) {
      const auto* cluster = edge.clusters.find(compile::cluster_name(ref.ns, ref.name, port.port));
      if (cluster == nullptr) continue;
      most = std::max(most, std::ranges::count(cluster->endpoints, snapshot::Health::healthy,
                                               &snapshot::Endpoint::health));
    }
    const int routed = static_cast<int>(most);
    if (routed == entry.routed) continue;
    if (routed > entry.routed) {
      if (is_acknowledged(entry.grown_in)) entry.routed_before = entry.routed;
      entry.grown_in = passes_;
    }
    entry.routed = routed;
    entry.routed_before = std::min(entry.routed_before, routed);
    const bool is_ready = routed > 0;
    if (is_ready != entry.ready_in.has_value()) {
      entry.ready_in = is_ready ? std::optional(passes_) : std::nullopt;
    }
    changed.push_back(ref);
  }
  return changed;
}

Publisher::Refs Publisher::all_services() const {
  Refs all;
  for (const auto& [ref, entry] : world_.services()) all.push_back(ref);
  return all;
}

Publisher::Refs Publisher::ready_since(std::uint64_t pass) const {
  Refs since;
  for (const auto& [ref, entry] : world_.services()) {
    if (entry.grown_in > pass) since.push_back(ref);
  }
  return since;
}

void Publisher::release_unwanted() {
  Addresses::Keys unwanted;
  for (const auto& [key, address] : addresses_.known()) {
    if (wanted_.contains(key) || releasing_.contains(key)) continue;
    unwanted.insert(key);
  }
  if (unwanted.empty()) return;
  releasing_.insert(unwanted.begin(), unwanted.end());
  scope_.spawn(release(std::move(unwanted)));
}

runtime::Task<void> Publisher::release(Addresses::Keys keys) {
  co_await settled(passes_);
  for (const auto& key : keys) releasing_.erase(key);
  // What is wanted again meanwhile stays.
  std::erase_if(keys, [&](const auto& key) { return wanted_.contains(key); });
  co_await addresses_.release(std::move(keys));
}

runtime::Task<void> Publisher::confirm_edge() {
  base::Duration pause = settle_pause_first;
  for (;;) {
    while (acknowledged_ >= edge_changed_) {
      edge_changed_event_.clear();
      co_await edge_changed_event_.wait();
    }
    const auto asked = edge_changed_;
    const auto settlement = co_await data_plane_.settled(snapshot::edge_context, settle_limit);
    const auto trouble = !settlement.refusal.empty()
                             ? "the proxy refuses its configuration: " + settlement.refusal
                         : settlement.proxies == 0  ? std::string("no proxy is connected")
                         : !settlement.acknowledged ? std::string("the proxy does not answer")
                                                    : std::string();
    const bool changed = trouble != trouble_;
    const auto before = acknowledged_;
    trouble_ = trouble;
    if (trouble.empty()) {
      acknowledged_ = asked;
      pause = settle_pause_first;
    }
    if (changed || trouble.empty()) on_change_(before == 0 ? all_services() : ready_since(before));
    if (!trouble.empty()) {
      co_await reactor_.sleep(pause);
      pause = std::min<base::Duration>(pause * 2, settle_pause_most);
    }
  }
}

}  // namespace weft::control::reconcile
