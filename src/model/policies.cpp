// The rules of policies.
#include <fmt/format.h>

#include "model/codes.h"
#include "model/schema.h"

namespace weft::model {

void Schema<PolicyTarget>::check(Findings& findings, PolicyTarget& target) {
  if (target.kind != Service::kind)
    findings.error("kind", code::invalid_value,
                   fmt::format("a policy is attached to a Service, not to a `{}`", target.kind),
                   "Write `kind: Service`.");
  if (!target.group.empty())
    findings.error("group", code::invalid_value, fmt::format("a Service has no group `{}`", target.group),
                   "Leave it out.");
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

}  // namespace weft::model
