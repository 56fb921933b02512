// What the compiler calls its parts, and whose they are.
#include <fmt/format.h>

#include <algorithm>

#include "control/compile/compile.h"

namespace weft::control::compile {

const provider::BoundPort* target_port(const model::ServicePort& port,
                                       std::span<const provider::BoundPort> ports) {
  const auto* number = port.target_port.number();
  const auto found = std::ranges::find_if(ports, [&](const provider::BoundPort& bound) {
    return number ? bound.port.number == *number : bound.port.name == *port.target_port.name();
  });
  return found == ports.end() ? nullptr : &*found;
}

std::array<model::Ref, 2> owners_of(const snapshot::ContextId& context) {
  return {model::Ref{model::DependencyKind::deployment, context.ns, context.workload},
          model::Ref{model::DependencyKind::job, context.ns, context.workload}};
}

snapshot::ContextId context_of(const model::Ref& workload) { return {workload.ns, workload.name}; }

std::string cluster_name(std::string_view ns, std::string_view service, std::int32_t port) {
  return fmt::format("outbound|{}||{}.{}", port, service, ns);
}

std::string edge_key(const model::Ref& service, const model::ServicePort& port) {
  auto key = fmt::format("edge/{}/{}/{}", service.ns, service.name, port.port);
  if (port.local_port != 0) fmt::format_to(std::back_inserter(key), "@{}", port.local_port);
  return key;
}

std::string outbound_key(const model::Ref& workload, const model::Ref& service,
                         std::optional<std::int32_t> further_port) {
  auto key = fmt::format("outbound/{}/{}/{}/{}", workload.ns, workload.name, service.ns, service.name);
  if (further_port) fmt::format_to(std::back_inserter(key), "/{}", *further_port);
  return key;
}

std::string inbound_key(std::string_view ns, std::string_view instance, std::int32_t port) {
  return fmt::format("{}{}/{}/{}", provider::instance_key_prefix, ns, instance, port);
}

}  // namespace weft::control::compile
