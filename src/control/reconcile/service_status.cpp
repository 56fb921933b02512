#include "control/reconcile/service_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/counted.h"
#include "control/compile/compile.h"
#include "control/reconcile/conditions.h"
#include "control/reconcile/workload_status.h"

namespace weft::control::reconcile {
namespace {

using base::Json;

/// What stands behind a Service.
struct Backing {
  std::vector<const Workload*> workloads;
  int wanted = 0;   // instances asked for
  int running = 0;  // instances that run
  int matched = 0;  // of these, those that a targetPort matches
  int ready = 0;    // of these, those that are ready
};

Backing backing_of(const World& world, const model::Service& service, const model::Ref& ref) {
  Backing backing;
  for (const auto index : world.graph().behind(ref)) {
    const auto* workload = world.find_workload(world.graph().workloads()[index].ref);
    if (!workload) continue;
    backing.workloads.push_back(workload);
    if (workload->is_stored && !workload->is_over()) backing.wanted += std::max(0, workload->replicas());
    for (const auto& instance : workload->instances) {
      if (instance->state != State::running || instance->is_leaving()) continue;
      ++backing.running;
      const bool matches = std::ranges::any_of(service.spec.ports, [&](const model::ServicePort& port) {
        return compile::target_port(port, instance->ports) != nullptr;
      });
      if (!matches) continue;
      ++backing.matched;
      backing.ready += instance->ready ? 1 : 0;
    }
  }
  return backing;
}

struct DependencyView {
  Gate gate;
  bool waits = false;
};

DependencyView dependencies_of(const World& world, const model::Service& service, const Backing& backing) {
  for (const auto* workload : backing.workloads) {
    // A workload that waits knows more: for how long, and what else it waits for.
    if (workload->waiting_since) return {workload->gate, true};
  }
  const auto own = world.graph().dependencies_of(service);
  const auto gate =
      evaluate_gate(own, nullptr, [&](const model::Ref& ref) { return world.state_of(ref); }, {});
  return {gate, backing.running == 0};
}

/// Why a Service that has workloads behind it has no ready endpoint.
Condition not_ready(const model::Service& service, const Backing& backing,
                    const DependencyView& dependencies) {
  if (backing.wanted == 0) return {"Ready", "False", "NotStarted", "its workloads are not started"};
  const auto ports_of = [](const Workload* workload) {
    std::vector<provider::BoundPort> ports;
    const auto& containers = workload->pod_template().spec.containers;
    if (containers.empty()) return ports;
    for (const auto& port : containers.front().ports) {
      ports.push_back({{port.name, static_cast<std::uint16_t>(port.container_port)}, {}});
    }
    return ports;
  };
  // Declared container ports tell it before anything runs; those of an image are known once it does.
  const auto mismatched = [&](const Workload* workload) {
    const auto ports = ports_of(workload);
    return !ports.empty() && std::ranges::none_of(service.spec.ports, [&](const model::ServicePort& port) {
      return compile::target_port(port, ports) != nullptr;
    });
  };
  if ((backing.running > 0 && backing.matched == 0) || std::ranges::all_of(backing.workloads, mismatched)) {
    return {"Ready", "False", "TargetPortMismatch",
            fmt::format("no containerPort of {} matches its targetPort",
                        backing.workloads.front()->ref.to_string())};
  }
  if (dependencies.waits && !dependencies.gate.is_open()) {
    return {"Ready", "False", to_string(dependencies.gate.reason), dependencies.gate.message};
  }
  for (const auto* workload : backing.workloads) {
    if (!workload->fault.empty()) return {"Ready", "False", workload->fault, workload->fault_message};
    for (const auto& instance : workload->instances) {
      if (instance->reason.empty() || instance->is_leaving()) continue;
      return {"Ready", "False", "NoReadyEndpoints",
              fmt::format("{}: {}: {}", instance->name, instance->reason, instance->message)};
    }
  }
  return {"Ready", "False", "NoReadyEndpoints",
          fmt::format("0 of {} ready", base::counted(backing.wanted, "instance"))};
}

std::string edge_key_of(const model::Service& service, const model::ServicePort& port) {
  return compile::edge_key({model::DependencyKind::service, service.metadata.ns, service.metadata.name},
                           port);
}

/// Why one of the addresses that it needs could not be had, if so: at the edge, or before its instances if
/// none of them has one.
const std::string* address_fault(const model::Service& service, const Backing& backing,
                                 const Addresses& addresses) {
  for (const auto& port : service.spec.ports) {
    if (const auto* fault = addresses.fault(edge_key_of(service, port))) return fault;
  }
  const std::string* found = nullptr;
  for (const auto* workload : backing.workloads) {
    for (const auto& instance : workload->instances) {
      for (const auto& bound : instance->ports) {
        const auto key = compile::inbound_key(instance->ns(), instance->name, bound.port.number);
        if (addresses.known().contains(key)) return nullptr;
        if (const auto* fault = addresses.fault(key)) found = fault;
      }
    }
  }
  return found;
}

Json addresses_of(const model::Service& service, const Addresses& addresses) {
  Json list = Json::array();
  for (const auto& port : service.spec.ports) {
    const auto at = addresses.known().find(edge_key_of(service, port));
    if (at == addresses.known().end()) continue;
    const auto address = at->second.to_string();
    const auto* scheme = port.traffic() == model::AppProtocol::tcp ? "tcp" : "http";
    list.push_back({{"name", port.name},
                    {"port", port.port},
                    {"address", address},
                    {"url", fmt::format("{}://{}", scheme, address)}});
  }
  return list;
}

Condition ready(const model::Service& service, const Backing& backing, const DependencyView& dependencies,
                const Addresses& addresses, const Programmed& programmed) {
  if (const auto* fault = address_fault(service, backing, addresses))
    return {"Ready", "False", "AddressUnavailable", *fault};
  if (backing.workloads.empty()) {
    if (dependencies.gate.reason == GateReason::dependency_missing) {
      return {"Ready", "False", to_string(dependencies.gate.reason), dependencies.gate.message};
    }
    return {"Ready", "False", "NoMatchingWorkload", "no workload matches its selector"};
  }
  if (backing.ready == 0) return not_ready(service, backing, dependencies);
  if (addresses_of(service, addresses).size() < service.spec.ports.size()) {
    return {"Ready", "False", "AddressPending", "not every port has an address yet"};
  }
  if (!programmed.is_acknowledged) {
    return {"Ready", "False", "NotProgrammed",
            programmed.trouble.empty() ? "the proxy has not acknowledged it yet" : programmed.trouble};
  }
  return {"Ready", "True", "EndpointsReady",
          fmt::format("{} of {} ready", backing.ready, base::counted(backing.wanted, "endpoint"))};
}

}  // namespace

Json service_status(const World& world, const model::Ref& ref, const Addresses& addresses,
                    const Programmed& programmed, const Json& object, base::WallTime now) {
  const auto& service = *world.services().at(ref).service;
  const auto backing = backing_of(world, service, ref);
  const auto dependencies = dependencies_of(world, service, backing);
  const auto generation = service.metadata.generation;
  Json conditions = Json::array();
  for (const auto& condition : {dependencies_ready(dependencies.gate, dependencies.waits),
                                ready(service, backing, dependencies, addresses, programmed)}) {
    add_condition(conditions, conditions_of(object), condition, generation, now);
  }
  return {
      {"loadBalancer", Json::object()},
      {"addresses", addresses_of(service, addresses)},
      {"endpoints", {{"ready", std::min(backing.ready, programmed.endpoints)}, {"total", backing.wanted}}},
      {"observedGeneration", generation},
      {"conditions", std::move(conditions)}};
}

std::vector<Json> endpoint_slices(const World& world, const model::Ref& ref, const Addresses& addresses) {
  std::vector<Json> slices;
  const auto& service = *world.services().at(ref).service;
  for (const auto index : world.graph().behind(ref)) {
    const auto* workload = world.find_workload(world.graph().workloads()[index].ref);
    if (!workload) continue;
    for (const auto& instance : workload->instances) {
      if (!instance->has_process) continue;
      Json ports = Json::array();
      for (const auto& port : service.spec.ports) {
        const auto* bound = compile::target_port(port, instance->ports);
        if (!bound) continue;
        const auto at =
            addresses.known().find(compile::inbound_key(instance->ns(), instance->name, bound->port.number));
        if (at == addresses.known().end()) continue;
        ports.push_back({{"name", port.name}, {"port", at->second.port()}, {"protocol", "TCP"}});
        if (!port.app_protocol.empty()) ports.back()["appProtocol"] = port.app_protocol;
      }
      if (ports.empty()) continue;
      const bool serves = instance->ready;
      const bool leaves = instance->is_leaving();
      slices.push_back(
          {{"apiVersion", "discovery.k8s.io/v1"},
           {"kind", "EndpointSlice"},
           {"metadata",
            {{"name", ref.name + "-" + instance->name},
             {"namespace", ref.ns},
             {"labels", {{"kubernetes.io/service-name", ref.name}}}}},
           {"addressType", "IPv4"},
           {"ports", std::move(ports)},
           {"endpoints",
            Json::array(
                {{{"addresses", Json::array({"127.0.0.1"})},
                  {"conditions",
                   {{"ready", serves && !leaves}, {"serving", serves}, {"terminating", leaves}}},
                  {"targetRef", {{"kind", "Pod"}, {"namespace", ref.ns}, {"name", instance->name}}}}})}});
    }
  }
  return slices;
}

}  // namespace weft::control::reconcile
