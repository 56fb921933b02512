#include "control/compile/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <tuple>
#include <utility>

#include "control/compile/compile.h"
#include "message/syntax.h"

namespace weft::control::compile {
namespace {

using snapshot::Match;

constexpr std::string_view all_hosts = "*";

/// A match of a rule, and what goes before another of the same host.
struct Candidate {
  /// Gateway API, HTTPRouteRule.matches; of equals the one that was put in first.
  std::tuple<bool, std::size_t, bool, std::size_t, std::size_t, std::ptrdiff_t> rank;
  snapshot::Route route;
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), message::ascii_lower);
  return text;
}

Match match_of(const model::HTTPRouteMatch& from) {
  Match match{.path = from.path.value, .method = from.method};
  if (from.path.type == model::PathMatchType::exact) {
    match.path_kind = Match::Path::exact;
  } else if (match.path != "/") {
    match.path_kind = Match::Path::segments;
    if (match.path.ends_with('/')) match.path.pop_back();
  }
  for (const auto& header : from.headers) match.headers.push_back({lower(header.name), header.value});
  for (const auto& parameter : from.query_params) match.query.push_back({parameter.name, parameter.value});
  std::ranges::sort(match.headers);
  std::ranges::sort(match.query);
  return match;
}

snapshot::Redirect redirect_of(const model::RequestRedirect& from) {
  using Redirect = snapshot::Redirect;
  Redirect redirect{.host = from.hostname,
                    .port = static_cast<std::uint16_t>(from.port),
                    .code = static_cast<Redirect::Code>(from.status_code)};
  if (!from.scheme.empty()) {
    const bool is_https = from.scheme == "https";
    redirect.scheme = is_https ? Redirect::Scheme::https : Redirect::Scheme::http;
    // HTTPRequestRedirectFilter.port.
    if (redirect.port == 0) redirect.port = is_https ? 443 : 80;
  }
  if (from.path && from.path->replace_full_path) {
    redirect.path_kind = Redirect::Path::whole;
    redirect.path = *from.path->replace_full_path;
  } else if (from.path) {
    redirect.path_kind = Redirect::Path::prefix;
    redirect.path = from.path->replace_prefix_match->empty() ? "/" : *from.path->replace_prefix_match;
  }
  return redirect;
}

snapshot::HeaderChanges changes_of(const model::HeaderModifier& from) {
  snapshot::HeaderChanges changes;
  for (const auto& name : from.remove) changes.remove.push_back(lower(name));
  for (const auto& [name, value] : from.set) changes.set.push_back({lower(name), value});
  for (const auto& [name, value] : from.add) changes.add.push_back({lower(name), value});
  return changes;
}

/// Where requests for the backend go. What cannot be led to has a name that no cluster has.
std::string cluster_of(const model::HTTPRoute& route, const model::BackendRef& backend,
                       const FindService& find) {
  const auto ref = ref_of(route, backend);
  if (!fault_of(route, backend, find)) return cluster_name(ref.ns, ref.name, backend.port);
  return fmt::format("none|{}||{}.{}", backend.port, ref.name, ref.ns);
}

std::string id_of(const model::HTTPRoute& route) { return route.metadata.ns + "/" + route.metadata.name; }

snapshot::Action action_of(const model::HTTPRoute& route, const model::HTTPRouteRule& rule, const Way& way,
                           const FindService& find) {
  if (const auto* redirect = rule.redirect()) return redirect_of(*redirect);
  snapshot::Forward forward;
  std::int64_t sum = 0;
  for (const auto& backend : rule.backend_refs) {
    sum += backend.weight;
    forward.to.push_back({cluster_of(route, backend, find), static_cast<std::uint32_t>(backend.weight)});
    forward.missing_is_error |= fault_of(route, backend, find).has_value();
  }
  if (sum == 0) return snapshot::Reply{.status = 500, .body = "no backend of this route has a weight\n"};
  const auto own = rule.timeouts.limit();
  forward.timeout = own ? to_milliseconds(*own) : way.request;
  forward.limited_by = own ? "HTTPRoute " + id_of(route) : way.limited_by;
  if (way.idle || forward.timeout == std::chrono::milliseconds::zero())
    forward.idle_timeout = way.idle.value_or(std::chrono::milliseconds::zero());
  if (const auto* modifier = rule.header_modifier()) forward.headers = changes_of(*modifier);
  return forward;
}

/// Adds what a rule's matches take to its hosts' candidates.
void add_rule(const model::HTTPRoute& route, std::size_t index, const Way& way, const FindService& find,
              std::map<std::string, std::vector<Candidate>>& by_host) {
  const auto& rule = route.spec.rules[index];
  static const std::vector<model::HTTPRouteMatch> any(1);
  const auto& matches = rule.matches.empty() ? any : rule.matches;
  const auto action = action_of(route, rule, way, find);
  for (std::size_t i = 0; i < matches.size(); ++i) {
    Candidate candidate;
    auto& made = candidate.route;
    made.name =
        fmt::format("{}/{}/{}", id_of(route), rule.name.empty() ? std::to_string(index) : rule.name, i);
    made.match = match_of(matches[i]);
    made.action = action;
    auto field = fmt::format("spec.rules[{}]", index);
    if (!rule.matches.empty()) fmt::format_to(std::back_inserter(field), ".matches[{}]", i);
    made.origin = {"HTTPRoute", route.metadata.ns, route.metadata.name, std::move(field)};
    candidate.rank = {made.match.path_kind == Match::Path::exact,
                      made.match.path.size(),
                      !made.match.method.empty(),
                      made.match.headers.size(),
                      made.match.query.size(),
                      0};
    static const std::vector<std::string> every{std::string(all_hosts)};
    for (const auto& host : route.spec.hostnames.empty() ? every : route.spec.hostnames) {
      auto& candidates = by_host[host];
      std::get<5>(candidate.rank) = -static_cast<std::ptrdiff_t>(candidates.size());
      candidates.push_back(candidate);
    }
  }
}

/// Whether all requests for `host` are for `wider` too, which is another.
bool is_within(std::string_view host, std::string_view wider) {
  if (host == wider) return false;
  return wider == all_hosts || (wider.starts_with("*.") && host.ends_with(wider.substr(1)));
}

}  // namespace

std::chrono::milliseconds to_milliseconds(base::Duration time) {
  return std::chrono::ceil<std::chrono::milliseconds>(time);
}

std::size_t fitting(const Routes& routes) {
  std::size_t hosts = 0;
  std::size_t own = 0;
  std::size_t wide = 0;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const auto& spec = routes[i]->spec;
    std::size_t matches = 0;
    for (const auto& rule : spec.rules) matches += std::max<std::size_t>(rule.matches.size(), 1);
    const auto exact = static_cast<std::size_t>(
        std::ranges::count_if(spec.hostnames, [](const auto& host) { return !host.starts_with("*."); }));
    const auto of_route = std::max<std::size_t>(spec.hostnames.size(), 1);
    hosts += of_route;
    own += of_route * matches;
    wide += (of_route - exact) * matches;
    if (own + hosts * wide > most_routes) return i;
  }
  return routes.size();
}

std::set<model::Ref> parents_of(const model::HTTPRoute& route) {
  std::set<model::Ref> parents;
  for (const auto& parent : route.spec.parent_refs) {
    if (parent.is_service()) parents.insert({model::DependencyKind::service, route.metadata.ns, parent.name});
  }
  return parents;
}

std::set<model::Ref> backends_of(const model::HTTPRoute& route) {
  std::set<model::Ref> backends;
  for (const auto& rule : route.spec.rules)
    for (const auto& backend : rule.backend_refs) backends.insert(ref_of(route, backend));
  return backends;
}

bool governs(const model::HTTPRoute& route, const model::Ref& service, const model::ServicePort& port) {
  return port.traffic() != model::AppProtocol::tcp &&
         std::ranges::any_of(route.spec.parent_refs, [&](const model::ParentRef& parent) {
           return parent.is_service() && parent.name == service.name && route.metadata.ns == service.ns &&
                  parent.names(port);
         });
}

std::string_view reason_of(BackendFault fault) {
  switch (fault) {
    case BackendFault::invalid_kind: return "InvalidKind";
    case BackendFault::ref_not_permitted: return "RefNotPermitted";
    case BackendFault::not_found: return "BackendNotFound";
    case BackendFault::unsupported_protocol: return "UnsupportedProtocol";
  }
  return {};
}

model::Ref ref_of(const model::HTTPRoute& route, const model::BackendRef& backend) {
  return {model::DependencyKind::service, backend.ns.empty() ? route.metadata.ns : backend.ns, backend.name};
}

std::optional<BackendFault> fault_of(const model::HTTPRoute& route, const model::BackendRef& backend,
                                     const FindService& find) {
  if (!backend.group.empty() || backend.kind != model::Service::kind) return BackendFault::invalid_kind;
  const auto ref = ref_of(route, backend);
  if (ref.ns != route.metadata.ns) return BackendFault::ref_not_permitted;
  const auto* service = find(ref);
  if (service == nullptr) return BackendFault::not_found;
  const auto port = std::ranges::find(service->spec.ports, backend.port, &model::ServicePort::port);
  if (port == service->spec.ports.end()) return BackendFault::not_found;
  if (port->traffic() == model::AppProtocol::tcp) return BackendFault::unsupported_protocol;
  return std::nullopt;
}

std::vector<snapshot::VirtualHost> virtual_hosts(const Routes& routes, const Way& way,
                                                 const FindService& find) {
  std::map<std::string, std::vector<Candidate>> by_host;
  for (const auto& route : routes)
    for (std::size_t i = 0; i < route->spec.rules.size(); ++i) add_rule(*route, i, way, find, by_host);
  for (auto& [host, candidates] : by_host)
    std::ranges::sort(candidates, std::ranges::greater(), &Candidate::rank);
  std::vector<snapshot::VirtualHost> hosts;
  for (const auto& [host, own] : by_host) {
    std::vector<std::string_view> taken_from{host};
    for (const auto& [wider, candidates] : by_host)
      if (is_within(host, wider)) taken_from.push_back(wider);
    std::ranges::sort(taken_from.begin() + 1, taken_from.end(), std::ranges::greater(),
                      &std::string_view::size);
    auto& made = hosts.emplace_back(snapshot::VirtualHost{host, {host}, {}});
    for (const auto from : taken_from)
      for (const auto& candidate : by_host.at(std::string(from))) made.routes.push_back(candidate.route);
  }
  return hosts;
}

snapshot::RouteTable route_all(const std::string& name, const std::string& cluster, const Way& way,
                               const base::Origin& origin) {
  snapshot::Route route;
  route.name = name;
  auto forward = snapshot::forward_to(cluster);
  forward.timeout = way.request;
  if (way.idle || way.request == std::chrono::milliseconds::zero())
    forward.idle_timeout = way.idle.value_or(std::chrono::milliseconds::zero());
  forward.host = way.host;
  route.action = std::move(forward);
  route.origin = origin;
  return {name, {{name, {"*"}, {std::move(route)}}}, origin};
}

}  // namespace weft::control::compile
