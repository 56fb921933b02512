// At which port of 127.0.0.1 a Service is called, where it says so: by nodePort, or by the annotation
// weft.dev/local-port.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <vector>

#include "model/codes.h"
#include "model/schema.h"

namespace weft::model {
namespace {

const std::string annotation_field = fmt::format("metadata.annotations[{}]", annotation::local_port);

/// 0 if it is none.
std::int32_t port_number(std::string_view text) {
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = error == std::errc{} && end == text.data() + text.size();
  return is_number && number >= port_range.least && number <= port_range.most ? number : 0;
}

ServicePort* find_port(std::vector<ServicePort>& ports, std::string_view name) {
  const auto found = std::ranges::find_if(
      ports, [&](const ServicePort& port) { return port.name == name || std::to_string(port.port) == name; });
  return found == ports.end() ? nullptr : &*found;
}

/// One part of the annotation: "8080" or "http=8080".
void read_part(Findings& findings, std::string_view part, std::vector<ServicePort>& ports) {
  const auto equals = part.find('=');
  const auto number = port_number(equals == std::string_view::npos ? part : part.substr(equals + 1));
  auto* port = equals == std::string_view::npos ? &ports.front() : find_port(ports, part.substr(0, equals));
  if (number == 0) {
    findings.error(annotation_field, code::invalid_value,
                   fmt::format("`{}` says no port from 1 to 65535", part),
                   "Write a number, such as \"8080\", or one for each port: \"http=8080,admin=8081\".");
  } else if (port == nullptr) {
    std::vector<std::string> names;
    for (const auto& known : ports)
      names.push_back(known.name.empty() ? std::to_string(known.port) : known.name);
    findings.error(annotation_field, code::invalid_value,
                   fmt::format("no port of the Service is called `{}`", part.substr(0, equals)),
                   fmt::format("It has {}.", fmt::join(names, ", ")));
  } else if (port->local_port != 0 && port->local_port != number) {
    findings.error(
        annotation_field, code::invalid_value,
        fmt::format("port {} is to be called at {} and at {}", port->port, port->local_port, number),
        "Keep one of the two.");
  } else {
    port->local_port = number;
  }
}

void check_node_ports(Findings& findings, ServiceSpec& spec) {
  const bool may_have = spec.type == ServiceType::node_port || spec.type == ServiceType::load_balancer;
  for (std::size_t i = 0; i < spec.ports.size(); ++i) {
    auto& port = spec.ports[i];
    if (port.node_port == 0) continue;
    port.local_port = port.node_port;
    if (may_have) continue;
    findings.error(fmt::format("spec.ports[{}].nodePort", i), code::invalid_value,
                   "`nodePort` is for Services of type NodePort or LoadBalancer",
                   "Add `type: NodePort` below `spec:`.");
  }
}

void expect_unique_local_ports(Findings& findings, const std::vector<ServicePort>& ports) {
  std::map<std::int32_t, std::size_t> first;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].local_port == 0) continue;
    const auto [there, is_new] = first.emplace(ports[i].local_port, i);
    if (is_new) continue;
    findings.error(
        fmt::format("spec.ports[{}]", i), code::duplicate,
        fmt::format("it is to be called at {}, as ports[{}] is", ports[i].local_port, there->second),
        "Give each port another number.");
  }
}

}  // namespace

void Schema<Service>::check(Findings& findings, Service& service) {
  check_metadata(findings, service.metadata);
  auto& ports = service.spec.ports;
  if (service.spec.type == ServiceType::external_name)
    findings.warning("spec.type", code::ignored_field,
                     "weft makes no names for others: ExternalName is ignored",
                     "Nothing to do, if that is all right.");
  check_node_ports(findings, service.spec);
  const auto& annotations = service.metadata.annotations;
  if (const auto found = annotations.find(std::string(annotation::local_port)); found != annotations.end()) {
    std::string_view rest = found->second;
    for (std::size_t end = 0; end != std::string_view::npos;
         rest.remove_prefix(std::min(end + 1, rest.size()))) {
      end = rest.find(',');
      read_part(findings, rest.substr(0, end), ports);
    }
  }
  expect_unique_local_ports(findings, ports);
}

}  // namespace weft::model
