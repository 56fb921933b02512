#include "model/resource.h"

namespace weft::model {

AppProtocol ServicePort::traffic() const {
  // kubernetes.io/ws is WebSocket over HTTP/1.1 (KEP-3726).
  if (app_protocol == "http" || app_protocol == "kubernetes.io/ws") return AppProtocol::http;
  if (!app_protocol.empty()) return AppProtocol::tcp;
  return name == "tcp" || name.starts_with("tcp-") ? AppProtocol::tcp : AppProtocol::http;
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
