#include "snapshot/actions.h"

#include <cstdint>
#include <limits>

#include "snapshot/patterns.h"

namespace weft::snapshot {
namespace {

using Fault = std::optional<ActionFault>;

Fault fault_in(const Forward& forward) {
  std::uint64_t sum = 0;
  for (const auto& [cluster, weight] : forward.to) {
    if (cluster.empty()) return ActionFault{"", "it names no cluster", "add cluster"};
    sum += weight;
  }
  if (sum == 0) return ActionFault{"", "no cluster of it has a weight above 0", "give one a weight"};
  // Envoy's bound.
  if (sum > std::numeric_limits<std::uint32_t>::max())
    return ActionFault{"", "its weights make more than 4294967295", "divide all of them"};
  return std::nullopt;
}

Fault fault_in(const Redirect& redirect) {
  if (redirect == Redirect{.code = redirect.code}) {
    return ActionFault{"", "it leads to where it came from", "name a scheme, host, port, path or prefix"};
  }
  if (!redirect.host.empty()) {
    const auto host = parse_domain(redirect.host);
    if (!host) return ActionFault{"host", describe(host.error()).what, describe(host.error()).mend};
    if (host->has_port)
      return ActionFault{"host", "a redirect's host has no port", "write it as the redirect's port"};
    if (host->kind != Domain::Kind::exact)
      return ActionFault{"host", "a redirect leads to one host", "write it without a star"};
  }
  if (redirect.path_kind != Redirect::Path::as_asked) {
    const auto fault = fault_of(Match{Match::Path::exact, redirect.path});
    const auto field = redirect.path_kind == Redirect::Path::whole ? "path" : "prefix";
    if (fault) return ActionFault{field, describe(*fault).what, describe(*fault).mend};
  }
  return std::nullopt;
}

Fault fault_in(const Reply& reply) {
  if (reply.status < 200 || reply.status > 599)
    return ActionFault{"status", "a status is a number from 200 to 599", "write it like 404"};
  if (reply.body.size() > max_reply_bytes)
    return ActionFault{"body", "a reply's body is not longer than 4096 bytes", "shorten it"};
  // RFC 9110, 15.3.5, 15.3.6 and 15.4.5.
  const bool has_none = reply.status == 204 || reply.status == 205 || reply.status == 304;
  if (has_none && !reply.body.empty())
    return ActionFault{"body", "a reply of this status has no body", "remove it"};
  return std::nullopt;
}

}  // namespace

std::optional<ActionFault> fault_of(const Action& action) {
  return std::visit([](const auto& one) { return fault_in(one); }, action);
}

}  // namespace weft::snapshot
