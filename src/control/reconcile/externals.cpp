#include "control/reconcile/externals.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "control/reconcile/conditions.h"
#include "control/reconcile/limits.h"
#include "model/schema.h"

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
  runtime::Event has_new;
  if (!of->spec.host.empty()) {
    co_await runtime::first(follow_name(ref, of, has_new), follow_addresses(ref, of, has_new));
    co_return;
  }
  std::vector<base::Address> addresses;
  for (const auto& text : of->spec.addresses) addresses.push_back(*base::Address::parse_ip(text, 0));
  co_await take_addresses(ref, of, std::move(addresses));
  co_await follow_addresses(ref, of, has_new);
}

Task<void> Externals::follow_name(model::Ref ref, SpecPtr of, runtime::Event& has_new) {
  for (;;) {
    auto found = co_await prober_.resolve(of->spec.host);
    base::Duration holds = external_ttl_least;
    if (found) {
      if (found->addresses.size() > model::most_addresses) found->addresses.resize(model::most_addresses);
      holds = std::clamp<base::Duration>(found->ttl, external_ttl_least, external_ttl_most);
      if (co_await take_addresses(ref, of, std::move(found->addresses))) has_new.set();
    } else if (const auto* known = world_.find_external(ref)) {
      auto state = known->state;
      state.trouble = of->spec.host + ": " + found.error();
      put(ref, std::move(state));
    }
    co_await reactor_.sleep(holds);
  }
}

/// Those that are new are asked first, so that callers are not left without one that is ready meanwhile.
Task<bool> Externals::take_addresses(model::Ref ref, SpecPtr of, std::vector<base::Address> addresses) {
  const auto* known = world_.find_external(ref);
  if (known == nullptr) co_return false;
  const auto merge = [&](const std::vector<ExternalEndpoint>& before) {
    std::vector<ExternalEndpoint> after;
    for (const auto& address : addresses) {
      const auto at = std::ranges::find(before, address, &ExternalEndpoint::address);
      after.push_back(at == before.end() ? ExternalEndpoint{.address = address} : *at);
    }
    return after;
  };
  auto fresh = merge({});
  const auto& old = known->state.endpoints;
  std::erase_if(fresh, [&](const ExternalEndpoint& one) {
    return std::ranges::find(old, one.address, &ExternalEndpoint::address) != old.end();
  });
  const bool has_new = !fresh.empty();
  co_await probe_all(of, fresh);
  known = world_.find_external(ref);
  if (known == nullptr) co_return false;
  // Those that were known have been asked meanwhile, too.
  auto before = known->state.endpoints;
  before.insert(before.end(), fresh.begin(), fresh.end());
  put(ref, {.endpoints = merge(before), .trouble = {}});
  co_return has_new;
}

Task<void> Externals::follow_addresses(model::Ref ref, SpecPtr of, runtime::Event& has_new) {
  base::Duration pause = external_pause_first;
  for (;;) {
    const auto* known = world_.find_external(ref);
    if (known == nullptr) co_return;
    has_new.clear();
    auto asked = known->state.endpoints;
    co_await probe_all(of, asked);
    known = world_.find_external(ref);
    if (known == nullptr) co_return;
    auto state = known->state;
    for (auto& endpoint : state.endpoints) {
      const auto at = std::ranges::find(asked, endpoint.address, &ExternalEndpoint::address);
      if (at != asked.end()) endpoint = *at;
    }
    const bool is_well =
        state.is_ready() && state.trouble.empty() &&
        std::ranges::all_of(state.endpoints, [](const auto& one) { return one.ready && one.failures == 0; });
    put(ref, std::move(state));
    pause = is_well ? external_pause_well : std::min<base::Duration>(pause * 2, external_pause_most);
    co_await runtime::within(reactor_, pause, until(has_new));
    if (is_well || has_new.is_set()) pause = external_pause_first;
  }
}

void Externals::put(const model::Ref& ref, ExternalState state) {
  if (world_.put_external(ref, std::move(state))) on_change_(ref);
}

Task<void> Externals::probe_all(SpecPtr of, std::vector<ExternalEndpoint>& endpoints) {
  std::vector<Task<void>> tasks;
  for (auto& endpoint : endpoints) tasks.push_back(probe(of, endpoint));
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
    endpoint.failures = std::min(endpoint.failures + 1, external_failures);
    if (endpoint.failures == external_failures) endpoint.ready = false;
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
