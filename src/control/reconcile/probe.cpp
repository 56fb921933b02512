#include "control/reconcile/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <expected>

#include "http/client.h"
#include "runtime/socket.h"

namespace weft::control::reconcile {
namespace {

/// Answers of a probe are looked at for their status alone.
constexpr std::size_t max_probe_body = 64 * 1024;

std::expected<base::Address, std::string> address_of(const model::IntOrString& port,
                                                     const std::vector<provider::BoundPort>& ports) {
  const auto* number = port.number();
  const auto found = std::ranges::find_if(ports, [&](const provider::BoundPort& bound) {
    return number ? bound.port.number == *number : bound.port.name == *port.name();
  });
  if (found == ports.end())
    return std::unexpected(fmt::format("port {} is no containerPort", port.to_string()));
  return found->address;
}

}  // namespace

runtime::Task<ProbeResult> NetworkProber::probe(model::Probe probe, ProbeTarget target) {
  const base::Duration limit = std::chrono::seconds(std::max(1, probe.timeout_seconds));
  if (probe.exec) co_return co_await execute(target.id, probe.exec->command, limit);
  if (!probe.http_get && !probe.tcp_socket) co_return ProbeResult{true, {}};
  const auto address =
      address_of(probe.http_get ? probe.http_get->port : probe.tcp_socket->port, target.ports);
  if (!address) co_return ProbeResult{false, address.error()};
  if (probe.http_get) co_return co_await http_get(*probe.http_get, *address, limit);
  co_return co_await tcp_socket(*address, limit);
}

runtime::Task<ProbeResult> NetworkProber::http_get(model::HttpGetAction action, base::Address address,
                                                   base::Duration limit) {
  http::Client client(reactor_, address,
                      {.max_body_bytes = max_probe_body, .connect_limit = limit, .max_idle = 0});
  http::Request request;
  request.target = action.path.starts_with('/') ? action.path : "/" + action.path;
  for (const auto& header : action.http_headers) request.headers.add(header.name, header.value);
  const auto response = co_await client.send(std::move(request), limit);
  if (!response) {
    co_return ProbeResult{false,
                          fmt::format("GET {}: {}", action.path,
                                      response.error().detail.empty() ? to_string(response.error().kind)
                                                                      : response.error().detail),
                          response.error().kind == http::ClientErrorKind::connect_failed};
  }
  // Kubernetes: any status from 200 to 399 is success.
  if (response->status >= 200 && response->status < 400) co_return ProbeResult{true, {}};
  co_return ProbeResult{false, fmt::format("GET {}: status {}", action.path, response->status)};
}

runtime::Task<ProbeResult> NetworkProber::tcp_socket(base::Address address, base::Duration limit) {
  const auto stream = co_await runtime::connect(reactor_, address, limit);
  if (stream) co_return ProbeResult{true, {}};
  co_return ProbeResult{false, fmt::format("{}: {}", address.to_string(), stream.error().message()),
                        stream.error().code == ECONNREFUSED};
}

runtime::Task<ProbeResult> NetworkProber::execute(std::string id, std::vector<std::string> command,
                                                  base::Duration limit) {
  const auto name = command.empty() ? std::string() : command.front();
  const auto code = co_await provider_.execute(id, std::move(command),
                                               std::chrono::duration_cast<std::chrono::milliseconds>(limit));
  if (!code) co_return ProbeResult{false, fmt::format("exec {}: {}", name, code.error().detail)};
  if (*code == 0) co_return ProbeResult{true, {}};
  co_return ProbeResult{false, fmt::format("exec {}: exit code {}", name, *code)};
}

std::optional<model::Probe> default_readiness_probe(const std::vector<provider::BoundPort>& ports) {
  if (ports.empty()) return {};
  model::Probe probe;
  probe.tcp_socket.emplace();
  probe.tcp_socket->port.value = std::int32_t{ports.front().port.number};
  return probe;
}

}  // namespace weft::control::reconcile
