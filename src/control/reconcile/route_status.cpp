#include "control/reconcile/route_status.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

#include "control/compile/routes.h"
#include "control/reconcile/conditions.h"

namespace weft::control::reconcile {
namespace {

using base::Json;
using compile::BackendFault;

/// Of Services that weft runs.
const model::Service* find_service(const World& world, const model::Ref& ref) {
  if (world.find_external(ref) != nullptr) return nullptr;
  const auto found = world.services().find(ref);
  return found == world.services().end() ? nullptr : found->second.service.get();
}

Condition accepted(const World& world, const model::HTTPRoute& route, const model::ParentRef& parent) {
  const auto no_parent = [](std::string why) {
    return Condition{"Accepted", "False", "NoMatchingParent", std::move(why)};
  };
  const model::Ref ref{model::DependencyKind::service, route.metadata.ns, parent.name};
  const auto* service = find_service(world, ref);
  if (service == nullptr && world.find_external(ref) != nullptr)
    return no_parent(fmt::format("{} is an ExternalService: routes are attached to Services", parent.name));
  if (service == nullptr) return no_parent(fmt::format("there is no Service {}", parent.name));
  const auto is_named = [&](const model::ServicePort& port) { return parent.names(port); };
  const auto& ports = service->spec.ports;
  if (std::ranges::none_of(ports, is_named)) {
    return no_parent(fmt::format("Service {} has no port {}", parent.name,
                                 parent.port != 0 ? std::to_string(parent.port) : parent.section_name));
  }
  if (std::ranges::none_of(
          ports, [&](const auto& port) { return is_named(port) && compile::governs(route, ref, port); }))
    return no_parent(
        fmt::format("what Service {} has there is carried as TCP, without requests", parent.name));
  const auto& attached = world.routes().to(ref);
  const auto place = std::ranges::find(attached, &route, &Routes::Ptr::get) - attached.begin();
  if (static_cast<std::size_t>(place) >= compile::fitting(attached)) {
    return {
        "Accepted", "False", "UnsupportedValue",
        fmt::format("with the older routes of Service {} it would make more than {} routes; give it fewer "
                    "matches or hostnames",
                    parent.name, compile::most_routes)};
  }
  return {"Accepted", "True", "Accepted",
          fmt::format("it says where requests to Service {} go", parent.name)};
}

std::string words(const model::HTTPRoute& route, const model::BackendRef& backend, BackendFault fault) {
  const auto ref = compile::ref_of(route, backend);
  switch (fault) {
    case BackendFault::invalid_kind:
      return fmt::format("the {} {} is no Service", backend.kind, backend.name);
    case BackendFault::ref_not_permitted:
      return fmt::format("Service {} is in the namespace {}, and nothing there lets routes of {} lead to it",
                         ref.name, ref.ns, route.metadata.ns);
    case BackendFault::not_found:
      return fmt::format("there is no Service {} with the port {}", ref.name, backend.port);
    case BackendFault::unsupported_protocol:
      return fmt::format("the port {} of Service {} is carried as TCP, without requests", backend.port,
                         ref.name);
  }
  return {};
}

Condition resolved_refs(const World& world, const model::HTTPRoute& route) {
  const auto find = [&](const model::Ref& ref) { return find_service(world, ref); };
  std::vector<std::string> faults;
  std::string_view reason;
  for (const auto& rule : route.spec.rules) {
    for (const auto& backend : rule.backend_refs) {
      const auto fault = compile::fault_of(route, backend, find);
      if (!fault) continue;
      if (faults.empty()) reason = compile::reason_of(*fault);
      auto text = words(route, backend, *fault);
      if (std::ranges::find(faults, text) == faults.end()) faults.push_back(std::move(text));
    }
  }
  if (faults.empty()) return {"ResolvedRefs", "True", "ResolvedRefs", "all its backends are there"};
  return {"ResolvedRefs", "False", reason,
          fmt::format("{}; requests for it are answered 500", fmt::join(faults, "; "))};
}

Json reference(const model::ParentRef& parent) {
  Json made{{"group", parent.group}, {"kind", parent.kind}, {"name", parent.name}};
  if (!parent.ns.empty()) made["namespace"] = parent.ns;
  if (!parent.section_name.empty()) made["sectionName"] = parent.section_name;
  if (parent.port != 0) made["port"] = parent.port;
  return made;
}

}  // namespace

Json route_status(const World& world, const model::HTTPRoute& route, const Json& object, base::WallTime now) {
  Json before = Json::array();
  if (const auto& status = status_of(object); status.is_object() && status.contains("parents"))
    before = status.at("parents");
  const auto is_ours = [](const Json& parent) {
    return parent.is_object() && parent.value("controllerName", Json()) == controller_name;
  };
  Json parents = Json::array();
  for (const auto& parent : before)
    if (!is_ours(parent)) parents.push_back(parent);
  for (const auto& parent : route.spec.parent_refs) {
    if (!parent.is_service()) continue;
    const auto ref = reference(parent);
    Json known;
    for (const auto& one : before)
      if (is_ours(one) && one.value("parentRef", Json()) == ref) known = one.value("conditions", Json());
    Json conditions = Json::array();
    for (const auto& condition : {accepted(world, route, parent), resolved_refs(world, route)})
      add_condition(conditions, known, condition, route.metadata.generation, now);
    parents.push_back(
        {{"parentRef", ref}, {"controllerName", controller_name}, {"conditions", std::move(conditions)}});
  }
  return {{"parents", std::move(parents)}};
}

}  // namespace weft::control::reconcile
