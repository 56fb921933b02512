#include "model/resource.h"

#include <algorithm>

#include "model/protocol.h"

namespace weft::model {

AppProtocol ServicePort::traffic() const {
  if (app_protocol.empty()) {
    const Protocol* guessed = guessed_protocol(*this);
    return guessed ? guessed->traffic : AppProtocol::automatic;
  }
  const Protocol* named = protocol_of_name(app_protocol);
  return named ? named->traffic : AppProtocol::tcp;
}

std::vector<ContainerPort> asked_by_http(const PodSpec& pod) {
  std::vector<ContainerPort> asked;
  if (pod.containers.empty()) return asked;
  const auto& container = pod.containers.front();
  const auto add = [&](const std::optional<HttpGetAction>& get) {
    if (!get) return;
    const auto found = std::ranges::find_if(container.ports, [&](const ContainerPort& port) {
      return get->port.number() ? port.container_port == *get->port.number() : port.name == *get->port.name();
    });
    if (found != container.ports.end()) {
      asked.push_back(*found);
    } else if (const auto* number = get->port.number()) {
      asked.push_back({.name = {}, .container_port = *number});
    } else {
      asked.push_back({.name = *get->port.name(), .container_port = 0});
    }
  };
  for (const auto* probe : {&container.readiness_probe, &container.liveness_probe, &container.startup_probe})
    if (*probe) add((*probe)->http_get);
  if (const auto& lifecycle = container.lifecycle) {
    for (const auto* handler : {&lifecycle->post_start, &lifecycle->pre_stop})
      if (*handler) add((*handler)->http_get);
  }
  return asked;
}

Service as_service(const ExternalService& external) {
  return {external.metadata, {.selector = {}, .ports = external.spec.ports, .depends_on = {}}};
}

std::string_view kind_of(const Resource& resource) {
  return std::visit([](const auto& value) { return value.kind; }, resource);
}

const ObjectMeta& metadata_of(const Resource& resource) {
  return std::visit([](const auto& value) -> const ObjectMeta& { return value.metadata; }, resource);
}

std::optional<DependencyKind> dependency_kind(std::string_view kind) {
  using enum DependencyKind;
  for (const auto known : {service, deployment, job}) {
    if (kind == to_string(known)) return known;
  }
  return {};
}

std::string_view to_string(DependencyKind kind) {
  switch (kind) {
    case DependencyKind::service: return "Service";
    case DependencyKind::deployment: return "Deployment";
    case DependencyKind::job: return "Job";
  }
  return {};
}

std::string_view to_string(DependencyCondition condition) {
  switch (condition) {
    case DependencyCondition::started: return "started";
    case DependencyCondition::ready: return "ready";
    case DependencyCondition::completed: return "completed";
  }
  return {};
}

}  // namespace weft::model
