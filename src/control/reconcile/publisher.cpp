#include "control/reconcile/publisher.h"

#include <algorithm>
#include <ranges>

namespace weft::control::reconcile {
namespace {

compile::Workload workload_to_compile(const Workload& workload) {
  const auto& spec = workload.pod_template().spec;
  compile::Workload made{spec.service_account_name, {}, model::asked_by_http(spec)};
  for (const auto& instance : workload.instances) {
    // One that is to run again keeps its inbound listener meanwhile: a caller that still knows it is refused
    // at once and goes elsewhere, and does not queue at a socket that nobody accepts from.
    if (instance->state == State::finished) continue;
    made.instances.push_back({instance->name, instance->node, instance->ready, instance->draining,
                              instance->drain, instance->ports});
  }
  return made;
}

compile::External external_to_compile(const External& external) {
  compile::External made{external.service->spec.host, {}};
  for (const auto& endpoint : external.state.endpoints)
    made.endpoints.push_back({endpoint.address, endpoint.ready});
  return made;
}

}  // namespace

Publisher::Publisher(runtime::Reactor& reactor, World& world, Addresses& addresses, DataPlane& data_plane,
                     std::function<void(const Refs&)> on_change)
    : reactor_(reactor),
      world_(world),
      addresses_(addresses),
      data_plane_(data_plane),
      on_change_(std::move(on_change)) {
  input_.addresses = &addresses_.known();
  input_.node = provider::local_node;
}

void Publisher::request(const model::Ref& workload) {
  changed_.insert(workload);
  ask_for_pass();
}

void Publisher::request(const World::CompileChanges& changes) {
  changed_.insert(changes.refs.begin(), changes.refs.end());
  has_everything_changed_ |= changes.has_everything;
  ask_for_pass();
}

void Publisher::ask_for_pass() {
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
    if (addresses_.missing().empty()) {
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
  ask_for_pass();
}

runtime::Task<void> Publisher::flush(model::Ref workload) {
  request(workload);
  co_await next_pass();
  // What came while a pass waited for addresses may need some itself: the next one asks for them.
  const auto is_untried = [&](const auto& entry) { return addresses_.fault(entry.first) == nullptr; };
  if (!std::ranges::any_of(addresses_.missing(), is_untried)) co_return;
  ask_for_pass();
  co_await next_pass();
}

runtime::Task<void> Publisher::next_pass() {
  const auto before = passes_;
  while (passes_ == before) co_await pass_done_.wait();
}

runtime::Task<void> Publisher::flush_and_settle(model::Ref workload) {
  co_await flush(std::move(workload));
  co_await settled(passes_);
}

runtime::Task<bool> Publisher::drained(std::shared_ptr<const Instance> instance, base::Duration limit) {
  const auto workload = instance->workload;
  std::vector<std::string> listeners;
  for (const auto& bound : instance->ports)
    listeners.push_back(compile::inbound_key(workload.ns, instance->name, bound.port.number));
  co_await flush(workload);
  co_return co_await data_plane_.drained(instance->node, compile::context_of(workload), std::move(listeners),
                                         limit);
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

void Publisher::take_in(const model::Ref& ref) {
  if (ref.kind == model::DependencyKind::service) {
    if (const auto* external = world_.find_external(ref)) {
      input_.externals.insert_or_assign(ref, external_to_compile(*external));
    } else {
      input_.externals.erase(ref);
    }
    if (auto policy = world_.policies().first(ref)) {
      input_.policies.insert_or_assign(ref, std::move(policy));
    } else {
      input_.policies.erase(ref);
    }
    if (const auto& routes = world_.routes().to(ref); !routes.empty()) {
      input_.routes.insert_or_assign(ref, routes);
    } else {
      input_.routes.erase(ref);
    }
    const auto known = world_.services().find(ref);
    if (known == world_.services().end()) {
      input_.services.erase(ref);
    } else {
      input_.services.insert_or_assign(ref, known->second.service);
    }
    return;
  }
  const auto* workload = world_.find_workload(ref);
  if (workload == nullptr || !is_active(*workload)) {
    input_.workloads.erase(ref);
  } else {
    input_.workloads.insert_or_assign(ref, workload_to_compile(*workload));
  }
}

compile::Affected Publisher::take_in() {
  if (has_everything_changed_) {
    const auto add = [&](const auto& entries) {
      for (const auto& [ref, entry] : entries) changed_.insert(ref);
    };
    add(input_.services);
    add(input_.workloads);
    add(world_.services());
    add(world_.workloads());
    input_.mesh = world_.mesh();
  }
  for (const auto& ref : changed_) take_in(ref);
  input_.graph = &world_.graph();
  auto affected = compile::affected(input_, changed_);
  if (has_everything_changed_) affected.contexts.insert(snapshot::edge_context);
  for (const auto& ref : affected.services) addresses_.want(ref, compile::wanted(input_, ref));
  for (const auto& context : affected.contexts) {
    for (const auto& ref : compile::owners_of(context)) addresses_.want(ref, compile::wanted(input_, ref));
  }
  return affected;
}

runtime::Task<void> Publisher::pass() {
  auto began = reactor_.clock().now();
  is_requested_ = false;
  const bool is_first = passes_ == 0;
  auto affected = take_in();
  const auto fresh = addresses_.missing();
  if (!fresh.empty()) {
    const auto keys = fresh | std::views::keys;
    (void)co_await addresses_.ensure({keys.begin(), keys.end()});  // what fails is told by fault()
    // Without a pause from here to the end: a pass that ends has seen all that was asked for before.
    began = reactor_.clock().now();
    is_requested_ = false;
    for (const auto& [key, owner] : fresh) changed_.insert(owner);
    affected = take_in();
  }
  changed_.clear();
  has_everything_changed_ = false;
  auto changed = publish(affected);
  std::ranges::copy(fresh | std::views::values, std::back_inserter(changed));
  if (auto unwanted = addresses_.take_unwanted(); !unwanted.empty())
    scope_.spawn(release(std::move(unwanted)));
  busy_ = reactor_.clock().now() - began;
  pass_done_.pulse();
  on_change_(is_first ? all_services() : changed);
}

Publisher::Refs Publisher::publish(const compile::Affected& affected) {
  ++passes_;
  std::set<snapshot::ContextId> changed;
  for (const auto& [node, made] : compile::compile(input_, affected, published_))
    publish(node, made, changed);
  auto services = note_ready_services(affected.services);
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

void Publisher::publish(const std::string& node, const compile::Contexts& made,
                        std::set<snapshot::ContextId>& changed) {
  auto& contexts = published_[node];
  bool is_moved = false;
  for (const auto& [context, snapshot] : made) {
    if (!snapshot) {
      is_moved |= contexts.erase(context) > 0;
      continue;
    }
    ++compiled_;
    auto& known = contexts[context];
    if (known && *known == *snapshot) continue;
    auto next = *snapshot;
    if (known) {
      next.listeners.share(known->listeners);
      next.routes.share(known->routes);
      next.clusters.share(known->clusters);
    }
    is_moved |= !known;
    known = std::make_shared<const snapshot::Snapshot>(std::move(next));
    data_plane_.publish(node, known);
    changed.insert(context);
  }
  if (!is_moved) return;
  const auto names = contexts | std::views::keys;
  data_plane_.place(node, {names.begin(), names.end()});
  if (contexts.empty()) published_.erase(node);
}

std::size_t Publisher::contexts() const {
  std::set<snapshot::ContextId> all;
  for (const auto& [node, contexts] : published_) {
    const auto names = contexts | std::views::keys;
    all.insert(names.begin(), names.end());
  }
  return all.size();
}

Publisher::Refs Publisher::note_ready_services(const compile::Refs& services) {
  const auto& edge = *published_.at(input_.node).at(snapshot::edge_context);
  Refs changed;
  for (const auto& ref : services) {
    const auto known = world_.services().find(ref);
    if (known == world_.services().end()) continue;
    auto& entry = known->second;
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

runtime::Task<void> Publisher::release(Addresses::Keys keys) {
  co_await settled(passes_);
  co_await addresses_.release(std::move(keys));
  if (!addresses_.missing().empty()) ask_for_pass();  // somebody may wait for one of them
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
