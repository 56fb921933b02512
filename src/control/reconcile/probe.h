// Probes: asking an instance's application itself, on its own port, whether it is well.
#pragma once

#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "model/resource.h"
#include "provider/provider.h"
#include "runtime/dns.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::control::reconcile {

struct ProbeResult {
  bool success = false;
  /// Why not: "GET /healthz: status 503", "connection refused".
  std::string message;
  /// Nobody accepts connections there.
  bool is_refused = false;
};

/// The instance that is asked.
struct ProbeTarget {
  std::string id;
  std::vector<provider::BoundPort> ports;
};

class Prober {
 public:
  virtual ~Prober() = default;
  /// Asks once, for at most the probe's timeoutSeconds.
  virtual runtime::Task<ProbeResult> probe(model::Probe probe, ProbeTarget target) = 0;
  /// runtime::resolve().
  virtual runtime::Task<std::expected<runtime::HostAddresses, std::string>> resolve(std::string host) = 0;
};

/// Asks over the network, and by the provider for exec.
class NetworkProber final : public Prober {
 public:
  NetworkProber(runtime::Reactor& reactor, provider::Provider& provider)
      : reactor_(reactor), provider_(provider) {}
  runtime::Task<ProbeResult> probe(model::Probe probe, ProbeTarget target) override;
  runtime::Task<std::expected<runtime::HostAddresses, std::string>> resolve(std::string host) override {
    return runtime::resolve(reactor_, std::move(host));
  }

 private:
  runtime::Task<ProbeResult> http_get(model::HttpGetAction action, base::Address address,
                                      base::Duration limit);
  runtime::Task<ProbeResult> tcp_socket(base::Address address, base::Duration limit);
  runtime::Task<ProbeResult> execute(std::string id, std::vector<std::string> command, base::Duration limit);

  runtime::Reactor& reactor_;
  provider::Provider& provider_;
};

/// What tells readiness of an instance without a readinessProbe: its first port accepts a connection. Nothing
/// if it has no port: it is ready when it runs.
std::optional<model::Probe> default_readiness_probe(const std::vector<provider::BoundPort>& ports);

}  // namespace weft::control::reconcile
