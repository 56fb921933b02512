#include "snapshot/actions.h"

#include <cstdint>
#include <limits>

#include "message/headers.h"
#include "message/syntax.h"
#include "snapshot/patterns.h"

namespace weft::snapshot {
namespace {

using Fault = std::optional<ActionFault>;

Fault fault_in(const HeaderChanges& changes) {
  for (const auto& name : changes.remove) {
    if (const auto fault = fault_of_header(name)) return fault;
  }
  for (const auto* fields : {&changes.set, &changes.add}) {
    for (const auto& [name, value] : *fields) {
      if (const auto fault = fault_of_header(name)) return fault;
      Match match;
      match.headers.push_back({name, value});
      if (const auto fault = fault_of(match))
        return ActionFault{"", describe(*fault).what, describe(*fault).mend};
    }
  }
  return std::nullopt;
}

Fault fault_in(const Forward& forward) {
  if (forward.to.empty()) return ActionFault{"", "it names no cluster", "add one, like {cluster: api}"};
  std::uint64_t sum = 0;
  for (const auto& [cluster, weight] : forward.to) {
    if (cluster.empty()) return ActionFault{"", "it names no cluster", "add cluster"};
    sum += weight;
  }
  if (sum == 0) return ActionFault{"", "no cluster of it has a weight above 0", "give one a weight"};
  // Envoy's bound.
  if (sum > std::numeric_limits<std::uint32_t>::max())
    return ActionFault{"", "its weights make more than 4294967295", "divide all of them"};
  return fault_in(forward.headers);
}

constexpr ActionFault replaces_nothing{"", "it leads to where it came from",
                                       "name another scheme, host, port, path or prefix"};

/// Where the words for the path of a match would be wrong, this has others: that of a redirect matches
/// nothing.
ActionFault path_fault(std::string_view field, PatternFault fault) {
  if (fault == PatternFault::query_in_path) {
    return {field, "a redirect's path has no query", "remove what begins with ?; the request's query stays"};
  }
  if (fault == PatternFault::fragment_in_path) {
    return {field, "a redirect's path has no fragment",
            "remove what begins with #; the client keeps its own"};
  }
  return {field, describe(fault).what, describe(fault).mend};
}

Fault fault_in(const Redirect& redirect) {
  if (redirect == Redirect{.code = redirect.code}) return replaces_nothing;
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
    if (fault) return path_fault(field, *fault);
  }
  return std::nullopt;
}

/// Whether the redirect makes of each path that `match` takes the same path (decide::location()).
bool keeps_path(const Redirect& redirect, const Match& match) {
  switch (redirect.path_kind) {
    case Redirect::Path::as_asked: return true;
    case Redirect::Path::whole: return match.path_kind == Match::Path::exact && redirect.path == match.path;
    case Redirect::Path::prefix: return redirect.path == match.path || redirect.path + "/" == match.path;
  }
  return false;
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

std::optional<ActionFault> fault_of_header(std::string_view name) {
  if (!message::is_token(name)) {
    const auto words = describe(PatternFault::bad_header_name);
    return ActionFault{"", words.what, words.mend};
  }
  if ((message::carrying_fields & message::Headers::bit(message::identify_field(name))) == 0)
    return std::nullopt;
  return ActionFault{"", "this header is the proxy's own to write", "remove it"};
}

std::optional<ActionFault> fault_of(const Action& action) {
  return std::visit([](const auto& one) { return fault_in(one); }, action);
}

std::optional<ActionFault> fault_of(const Route& route) {
  if (const auto fault = fault_of(route.action)) return fault;
  const auto* redirect = std::get_if<Redirect>(&route.action);
  if (redirect == nullptr || !keeps_path(*redirect, route.match)) return std::nullopt;
  const Redirect of_path{.path_kind = redirect->path_kind, .path = redirect->path, .code = redirect->code};
  return *redirect == of_path ? Fault(replaces_nothing) : std::nullopt;
}

}  // namespace weft::snapshot
