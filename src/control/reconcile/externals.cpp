#include "control/reconcile/externals.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "control/reconcile/conditions.h"
#include "control/reconcile/limits.h"
#include "model/schema.h"
#include "runtime/combine.h"

namespace weft::control::reconcile {

using base::Json;
using runtime::Task;

bool ExternalState::is_ready() const { return std::ranges::any_of(endpoints, &ExternalEndpoint::ready); }

std::string ExternalState::detail() const {
  if (endpoints.empty()) return trouble.empty() ? "its name is being looked up" : trouble;
  for (const auto& endpoint : endpoints) {
    if (!endpoint.message.empty()) return endpoint.message;
  }
  return "its addresses are being asked";
}

Externals::Externals(runtime::Reactor& reactor, Prober& prober, World& world,
                     std::function<void(const model::Ref&)> on_change)
    : reactor_(reactor), prober_(prober), world_(world), on_change_(std::move(on_change)) {}

void Externals::look(const model::Ref& service) {
  const auto* known = world_.find_external(service);
  if (known == nullptr) {
    watches_.erase(service);
    return;
  }
  auto& watch_of = watches_[service];
  if (watch_of.of == known->service) return;
  watch_of.of = known->service;
  watch_of.scope = std::make_unique<runtime::Scope>();
  watch_of.scope->spawn(watch(service, known->service));
}

Task<void> Externals::watch(model::Ref ref, SpecPtr of) {
  base::Duration pause = external_pause_first;
  base::MonoTime resolve_at{};
  for (;;) {
    const auto* known = world_.find_external(ref);
    if (known == nullptr) co_return;
    auto state = known->state;
    if (const auto now = reactor_.clock().now(); now >= resolve_at)
      resolve_at = now + co_await resolve(of, state);
    co_await probe_all(of, state);
    const bool is_well =
        state.is_ready() && state.trouble.empty() &&
        std::ranges::all_of(state.endpoints, &ExternalEndpoint::ready) &&
        std::ranges::all_of(state.endpoints, [](const auto& one) { return one.failures == 0; });
    if (world_.put_external(ref, std::move(state))) on_change_(ref);
    pause = is_well ? external_pause_well : std::min<base::Duration>(pause * 2, external_pause_most);
    const auto next = reactor_.clock().now() + pause;
    co_await reactor_.sleep_until(of->spec.host.empty() ? next : std::min(next, resolve_at));
    if (is_well) pause = external_pause_first;
  }
}

Task<base::Duration> Externals::resolve(SpecPtr of, ExternalState& state) {
  std::vector<base::Address> addresses;
  base::Duration holds = external_ttl_most;
  if (of->spec.host.empty()) {
    for (const auto& text : of->spec.addresses) addresses.push_back(*base::Address::parse_ip(text, 0));
  } else {
    auto found = co_await prober_.resolve(of->spec.host);
    state.trouble = found ? std::string() : of->spec.host + ": " + found.error();
    if (!found) co_return external_ttl_least;
    addresses = std::move(found->addresses);
    if (addresses.size() > model::most_addresses) addresses.resize(model::most_addresses);
    holds = std::clamp<base::Duration>(found->ttl, external_ttl_least, external_ttl_most);
  }
  auto before = std::exchange(state.endpoints, {});
  for (const auto& address : addresses) {
    const auto known = std::ranges::find(before, address, &ExternalEndpoint::address);
    state.endpoints.push_back(known == before.end() ? ExternalEndpoint{.address = address} : *known);
  }
  co_return holds;
}

Task<void> Externals::probe_all(SpecPtr of, ExternalState& state) {
  std::vector<Task<void>> tasks;
  for (auto& endpoint : state.endpoints) tasks.push_back(probe(of, endpoint));
  co_await runtime::all(std::move(tasks));
}

Task<void> Externals::probe(SpecPtr of, ExternalEndpoint& endpoint) {
  for (const auto& port : of->spec.ports) {
    const auto number = static_cast<std::uint16_t>(*port.target_port.number());
    auto address = base::Address::parse_ip(endpoint.address.ip(), number);
    model::Probe asks;
    asks.tcp_socket.emplace();
    asks.tcp_socket->port.value = std::int32_t{number};
    asks.timeout_seconds = external_probe_seconds;
    const auto result =
        co_await prober_.probe(std::move(asks), {of->metadata.name, {{{"", number}, *address}}});
    if (result.success) continue;
    endpoint.message = result.message;
    // One that was never ready is not said to have failed often enough to be so no longer.
    if (++endpoint.failures >= external_failures) endpoint.ready = false;
    co_return;
  }
  endpoint.ready = true;
  endpoint.failures = 0;
  endpoint.message.clear();
}

Json external_status(const model::ExternalService& service, const ExternalState& state, const Json& object,
                     base::WallTime now) {
  const auto ready = std::ranges::count(state.endpoints, true, &ExternalEndpoint::ready);
  Condition condition{"Ready", "True", "EndpointsReady",
                      std::to_string(ready) + " of " + std::to_string(state.endpoints.size()) + " ready"};
  if (ready == 0) {
    const bool is_unnamed = state.endpoints.empty() && !state.trouble.empty();
    condition = {"Ready", "False", is_unnamed ? "NotResolved" : "NoReadyEndpoints", state.detail()};
  }
  Json conditions = Json::array();
  add_condition(conditions, conditions_of(object), condition, service.metadata.generation, now);
  Json endpoints = Json::array();
  for (const auto& endpoint : state.endpoints) {
    endpoints.push_back({{"address", endpoint.address.ip()}, {"ready", endpoint.ready}});
    if (!endpoint.message.empty()) endpoints.back()["message"] = endpoint.message;
  }
  return {{"observedGeneration", service.metadata.generation},
          {"conditions", std::move(conditions)},
          {"endpoints", std::move(endpoints)}};
}

ExternalState external_state(const Json& object) {
  ExternalState state;
  const auto& status = status_of(object);
  if (!status.is_object() || !status.contains("endpoints")) return state;
  for (const auto& endpoint : status.at("endpoints")) {
    if (const auto address = base::Address::parse_ip(endpoint.value("address", ""), 0))
      state.endpoints.push_back({.address = *address, .ready = endpoint.value("ready", false)});
  }
  return state;
}

}  // namespace weft::control::reconcile
