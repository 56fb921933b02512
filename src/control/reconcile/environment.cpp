#include "control/reconcile/environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace weft::control::reconcile {
namespace {

using Variables = std::map<std::string, std::string>;

/// Kubernetes' makeEnvVariableName.
std::string variable_name(std::string_view name) {
  std::string text(name);
  for (auto& c : text)
    c = c == '-' || c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

const std::vector<model::ServicePort>& ports_of(const World& world, const model::Ref& service) {
  static const std::vector<model::ServicePort> none;
  const auto at = world.services().find(service);
  return at == world.services().end() ? none : at->second.service->spec.ports;
}

void add_service(const World& world, const model::Ref& caller, const model::Ref& service,
                 const compile::Addresses& addresses, Variables& to) {
  const auto name = variable_name(service.name);
  const auto& ports = ports_of(world, service);
  const auto first = addresses.find(compile::outbound_key(caller, service));
  if (first == addresses.end()) return;
  const bool is_tcp = !ports.empty() && ports.front().traffic() == model::AppProtocol::tcp;
  to[name + "_SERVICE_HOST"] = first->second.ip();
  to[name + "_SERVICE_PORT"] = std::to_string(first->second.port());
  to[name + "_URL"] = fmt::format("{}://{}", is_tcp ? "tcp" : "http", first->second.to_string());
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].name.empty()) continue;
    const auto further = i == 0 ? std::nullopt : std::optional(ports[i].port);
    const auto at = addresses.find(compile::outbound_key(caller, service, further));
    if (at == addresses.end()) continue;
    to[fmt::format("{}_SERVICE_PORT_{}", name, variable_name(ports[i].name))] =
        std::to_string(at->second.port());
  }
}

}  // namespace

std::set<std::string, std::less<>> environment_keys(const World& world, const model::Workload& node) {
  std::set<std::string, std::less<>> keys;
  for (const auto& dependency : node.dependencies) {
    if (dependency.target.kind != model::DependencyKind::service) continue;
    keys.insert(compile::outbound_key(node.ref, dependency.target));
    const auto& ports = ports_of(world, dependency.target);
    for (std::size_t i = 1; i < ports.size(); ++i) {
      keys.insert(compile::outbound_key(node.ref, dependency.target, ports[i].port));
    }
  }
  return keys;
}

std::vector<std::pair<std::string, std::string>> environment(const World& world, const model::Workload& node,
                                                             const model::Container& container,
                                                             const compile::Addresses& addresses) {
  Variables variables;
  const auto add_where = [&](bool own_namespace) {
    for (const auto& dependency : node.dependencies) {
      const auto& target = dependency.target;
      if (target.kind != model::DependencyKind::service || (target.ns == node.ref.ns) != own_namespace)
        continue;
      add_service(world, node.ref, target, addresses, variables);
    }
  };
  add_where(false);
  add_where(true);
  std::vector<std::pair<std::string, std::string>> all(variables.begin(), variables.end());
  for (const auto& variable : container.env) all.emplace_back(variable.name, variable.value);
  return all;
}

}  // namespace weft::control::reconcile
