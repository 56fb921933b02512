// The rules of policies and of what weft does not run.
#include <fmt/format.h>

#include "base/address.h"
#include "model/codes.h"
#include "model/kinds.h"
#include "model/schema.h"

namespace weft::model {

void Schema<PolicyTarget>::check(Findings& findings, PolicyTarget& target) {
  if (target.kind != Service::kind && target.kind != ExternalService::kind) {
    findings.error("kind", code::invalid_value,
                   fmt::format("a policy is attached to a Service, not to a `{}`", target.kind),
                   "Write `kind: Service`, or ExternalService.");
    return;
  }
  const auto group = find_kind(target.kind)->group();
  if (!target.group.empty() && target.group != group)
    findings.error("group", code::invalid_value,
                   fmt::format("the group of an {} is not `{}`", target.kind, target.group), "Leave it out.");
}

void Schema<PolicyTimeouts>::check(Findings& findings, PolicyTimeouts& timeouts) {
  if (timeouts.connect == base::Duration::zero())
    findings.error("connect", code::invalid_value, "`connect` must be longer than nothing",
                   "Write a time such as 5s, or leave it out.");
}

void Schema<TrafficPolicySpec>::check(Findings& findings, TrafficPolicySpec& spec) {
  for (std::size_t i = 0; i < spec.target_refs.size(); ++i) {
    for (std::size_t before = 0; before < i; ++before) {
      if (spec.target_refs[i] != spec.target_refs[before]) continue;
      findings.error(fmt::format("targetRefs[{}].name", i), code::duplicate,
                     fmt::format("`{}` is also targetRefs[{}]", spec.target_refs[i].name, before),
                     "Remove one of the two.");
      break;
    }
  }
}

void Schema<ExternalServiceSpec>::check(Findings& findings, ExternalServiceSpec& spec) {
  if (spec.host.empty() == spec.addresses.empty())
    findings.error(spec.host.empty() ? "" : "addresses",
                   spec.host.empty() ? code::missing_field : code::invalid_value,
                   "an ExternalService has either `host` or `addresses`",
                   "Give its name as `host`, or its IPs as `addresses`.");
  if (!spec.host.empty() && !base::Address::parse_ip(spec.host, 0))
    findings.expect("host", spec.host, dns1123_subdomain_fault,
                    "Write the name alone, such as db.example.com.");
  for (std::size_t i = 0; i < spec.addresses.size(); ++i) {
    if (base::Address::parse_ip(spec.addresses[i], 0)) continue;
    findings.error(fmt::format("addresses[{}]", i), code::invalid_value,
                   fmt::format("`{}` is no IP address", spec.addresses[i]),
                   "Write an IP such as 192.0.2.10 without a port, or a name as `host`.");
  }
  check_ports(findings, spec.ports);
  for (std::size_t i = 0; i < spec.ports.size(); ++i) {
    if (spec.ports[i].target_port.number() != nullptr) continue;
    findings.error(fmt::format("ports[{}].targetPort", i), code::invalid_value,
                   "the targetPort of an ExternalService is a number", "Write the number of the port there.");
  }
}

}  // namespace weft::model
