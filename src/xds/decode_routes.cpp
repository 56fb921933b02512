// Envoy's route tables as a Snapshot's: the mirror of encode.cpp, and the border where a peer's input
// is checked.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "envoy/config/route/v3/route.pb.h"
#include "message/authority.h"
#include "message/syntax.h"
#include "snapshot/actions.h"
#include "snapshot/patterns.h"
#include "xds/names.h"
#include "xds/policies.h"
#include "xds/reading.h"
#include "xds/wire.h"

namespace weft::xds {
namespace {

namespace route_v3 = envoy::config::route::v3;

std::string lower(std::string name) {
  std::ranges::transform(name, name.begin(), message::ascii_lower);
  return name;
}

snapshot::HeaderMatch read_header(const route_v3::HeaderMatcher& message, Reading& reading) {
  reading.scan(message, policies::header_matcher);
  snapshot::HeaderMatch header;
  header.name = lower(message.name());
  switch (message.header_match_specifier_case()) {
    case route_v3::HeaderMatcher::kExactMatch: header.value = message.exact_match(); break;
    case route_v3::HeaderMatcher::kStringMatch:
      reading.scan(message.string_match(), policies::string_matcher);
      if (!message.string_match().has_exact()) reading.refuse("a string_match says nothing");
      header.value = message.string_match().exact();
      break;
    case route_v3::HeaderMatcher::kPresentMatch:
      if (!message.present_match()) reading.refuse("a match by the absence of a header is not supported");
      break;
    case route_v3::HeaderMatcher::HEADER_MATCH_SPECIFIER_NOT_SET: break;  // Envoy's default: it is there
  }
  return header;
}

/// Envoy has the method as a header.
void read_headers(const route_v3::RouteMatch& message, snapshot::Match& match, Reading& reading) {
  for (const auto& header : message.headers()) {
    auto read = read_header(header, reading);
    if (read.name != method_header) {
      match.headers.push_back(std::move(read));
    } else if (match.method.empty() && read.value && !read.value->empty()) {
      match.method = *std::move(read.value);
    } else {
      reading.refuse("a match by the method other than by one of them is not supported");
    }
  }
}

snapshot::QueryMatch read_parameter(const route_v3::QueryParameterMatcher& message, Reading& reading) {
  reading.scan(message, policies::query_matcher);
  snapshot::QueryMatch parameter{message.name(), std::nullopt};
  switch (message.query_parameter_match_specifier_case()) {
    case route_v3::QueryParameterMatcher::kStringMatch:
      reading.scan(message.string_match(), policies::string_matcher);
      if (!message.string_match().has_exact()) reading.refuse("a string_match says nothing");
      parameter.value = message.string_match().exact();
      break;
    case route_v3::QueryParameterMatcher::kPresentMatch:
      if (!message.present_match()) reading.refuse("a match by the absence of a parameter is not supported");
      break;
    case route_v3::QueryParameterMatcher::QUERY_PARAMETER_MATCH_SPECIFIER_NOT_SET: break;  // it is there
  }
  return parameter;
}

snapshot::Match read_match(const route_v3::RouteMatch& match, Reading& reading) {
  reading.scan(match, policies::route_match);
  if (match.has_case_sensitive() && !match.case_sensitive().value()) {
    reading.refuse("a match without regard to case is not supported");
  }
  snapshot::Match read;
  read_headers(match, read, reading);
  for (const auto& parameter : match.query_parameters())
    read.query.push_back(read_parameter(parameter, reading));
  switch (match.path_specifier_case()) {
    case route_v3::RouteMatch::kPrefix:
      // The empty one takes all paths, as "/" does.
      if (!match.prefix().empty()) read.path = match.prefix();
      break;
    case route_v3::RouteMatch::kPathSeparatedPrefix:
      read.path_kind = snapshot::Match::Path::segments;
      read.path = match.path_separated_prefix();
      if (read.path.ends_with('/')) reading.refuse("a path_separated_prefix ends with a slash");
      break;
    case route_v3::RouteMatch::kPath:
      read.path_kind = snapshot::Match::Path::exact;
      read.path = match.path();
      break;
    case route_v3::RouteMatch::PATH_SPECIFIER_NOT_SET:
      reading.refuse("a route matches neither a prefix nor a path");
      return {};
  }
  if (const auto fault = snapshot::fault_of(read)) {
    reading.refuse(fmt::format("no request matches a route of the path \"{}\": {}", read.path,
                               snapshot::describe(*fault).what));
  }
  return read;
}

/// The text that Envoy makes of a header's value: "%%" stands for "%", and a command (%REQ(...)%) for what is
/// known only then.
std::string read_value(std::string_view text, Reading& reading) {
  std::string value;
  for (std::size_t i = 0; i < text.size(); ++i) {
    value += text[i];
    if (text[i] != '%') continue;
    if (++i == text.size() || text[i] != '%') {
      reading.refuse("a command in the value of a header is not supported");
      return {};
    }
  }
  return value;
}

/// Envoy removes, then overwrites, then appends, in whatever order they stand.
snapshot::HeaderChanges read_changes(const route_v3::Route& message, Reading& reading) {
  using Option = envoy::config::core::v3::HeaderValueOption;
  snapshot::HeaderChanges changes;
  for (const auto& name : message.request_headers_to_remove()) changes.remove.push_back(lower(name));
  for (const auto& option : message.request_headers_to_add()) {
    reading.scan(option, policies::header_option);
    reading.scan(option.header(), policies::header_value);
    snapshot::HeaderChanges::Field field{lower(option.header().key()),
                                         read_value(option.header().value(), reading)};
    if (field.value.empty() && !option.keep_empty_value())
      reading.refuse(fmt::format("the header \"{}\" to add has no value", field.name));
    auto action = option.append_action();
    if (option.has_append()) {
      action = option.append().value() ? Option::APPEND_IF_EXISTS_OR_ADD : Option::OVERWRITE_IF_EXISTS_OR_ADD;
    }
    const auto is_of_name = [&](const auto& other) { return other.name == field.name; };
    if (action == Option::OVERWRITE_IF_EXISTS_OR_ADD && std::ranges::none_of(changes.set, is_of_name)) {
      changes.set.push_back(std::move(field));
    } else if (action == Option::APPEND_IF_EXISTS_OR_ADD) {
      changes.add.push_back(std::move(field));
    } else {
      reading.refuse(fmt::format("what is to become of the header \"{}\" is not supported", field.name));
    }
  }
  return changes;
}

snapshot::Forward read_forward(const route_v3::Route& from, Reading& reading) {
  const auto& message = from.route();
  reading.scan(message, policies::route_action);
  snapshot::Forward forward;
  if (message.has_weighted_clusters()) {
    reading.scan(message.weighted_clusters(), policies::weighted_cluster);
    for (const auto& target : message.weighted_clusters().clusters()) {
      reading.scan(target, policies::cluster_weight);
      if (!target.has_weight()) reading.refuse("a weighted cluster has no weight");
      forward.to.push_back({target.name(), target.weight().value()});
    }
  } else {
    forward.to.push_back({message.cluster()});
  }
  if (message.has_timeout()) forward.timeout = duration(message.timeout(), "a route's timeout", reading);
  if (message.has_idle_timeout()) {
    forward.idle_timeout = duration(message.idle_timeout(), "a route's idle_timeout", reading);
  }
  forward.host = message.host_rewrite_literal();
  if (!forward.host.empty() && !message::split_authority(forward.host))
    reading.refuse("a route's host_rewrite_literal is no host");
  forward.headers = read_changes(from, reading);
  forward.missing_is_error =
      message.cluster_not_found_response_code() == route_v3::RouteAction::INTERNAL_SERVER_ERROR;
  if (message.cluster_not_found_response_code() == route_v3::RouteAction::NOT_FOUND)
    reading.pass_over("cluster_not_found_response_code of RouteAction");
  forward.limited_by = Weft(from.metadata()).text(key_limited_by);
  return forward;
}

void read_scheme(const route_v3::RedirectAction& message, snapshot::Redirect& redirect, Reading& reading) {
  if (message.https_redirect() || message.scheme_redirect() == scheme_https) {
    redirect.scheme = snapshot::Redirect::Scheme::https;
  } else if (message.scheme_redirect() == scheme_http) {
    redirect.scheme = snapshot::Redirect::Scheme::http;
  } else if (!message.scheme_redirect().empty()) {
    reading.refuse(
        fmt::format("a redirect to the scheme \"{}\" is not supported", message.scheme_redirect()));
  }
}

snapshot::Redirect::Code code_of(route_v3::RedirectAction::RedirectResponseCode code, Reading& reading) {
  using enum snapshot::Redirect::Code;
  switch (code) {
    case route_v3::RedirectAction::MOVED_PERMANENTLY: return moved_permanently;
    case route_v3::RedirectAction::FOUND: return found;
    case route_v3::RedirectAction::SEE_OTHER: return see_other;
    case route_v3::RedirectAction::TEMPORARY_REDIRECT: return temporary_redirect;
    case route_v3::RedirectAction::PERMANENT_REDIRECT: return permanent_redirect;
    default: reading.refuse("a redirect's response_code is not known"); return found;
  }
}

snapshot::Redirect read_redirect(const route_v3::RedirectAction& message, Reading& reading) {
  reading.scan(message, policies::redirect_action);
  snapshot::Redirect redirect;
  read_scheme(message, redirect, reading);
  redirect.host = message.host_redirect();
  if (message.port_redirect() > 65535) reading.refuse("a redirect's port_redirect is no port");
  redirect.port = static_cast<std::uint16_t>(message.port_redirect());
  // In Envoy's terms an empty one is none.
  if (!message.path_redirect().empty()) {
    redirect.path_kind = snapshot::Redirect::Path::whole;
    redirect.path = message.path_redirect();
  } else if (!message.prefix_rewrite().empty()) {
    redirect.path_kind = snapshot::Redirect::Path::prefix;
    redirect.path = message.prefix_rewrite();
  }
  redirect.code = code_of(message.response_code(), reading);
  return redirect;
}

snapshot::Reply read_reply(const route_v3::DirectResponseAction& message, Reading& reading) {
  reading.scan(message, policies::direct_response);
  reading.scan(message.body(), policies::data_source);
  const auto& body = message.body();
  // A status that does not fit is none either.
  return {static_cast<std::uint16_t>(std::min(message.status(), 65535U)),
          body.has_inline_bytes() ? body.inline_bytes() : body.inline_string()};
}

snapshot::Action read_action(const route_v3::Route& message, Reading& reading) {
  switch (message.action_case()) {
    case route_v3::Route::kRoute: return read_forward(message, reading);
    case route_v3::Route::kRedirect: return read_redirect(message.redirect(), reading);
    case route_v3::Route::kDirectResponse: return read_reply(message.direct_response(), reading);
    case route_v3::Route::ACTION_NOT_SET: break;
  }
  reading.refuse(fmt::format("the route \"{}\" has no action", message.name()));
  return {};
}

snapshot::Route read_route(const route_v3::Route& message, Reading& reading) {
  snapshot::Route route;
  Weft weft(message.metadata());
  route.name = message.name();
  route.origin = weft.origin();
  if (!reading.failed() && !route.origin.kind.empty()) reading.origin(route.origin);
  reading.scan(message, policies::route);
  route.match = read_match(message.match(), reading);
  route.action = read_action(message, reading);
  if (const auto fault = snapshot::fault_of(route.action)) {
    reading.refuse(fmt::format("what the route \"{}\" does cannot be done: {}", route.name, fault->what));
  }
  return route;
}

/// The virtual host, by number, that each domain of a route table belongs to.
using DomainOwners = std::map<std::string, std::size_t>;

/// Each domain belongs to one virtual host (Envoy's rule); in there it may stand in several spellings.
void read_domains(const route_v3::VirtualHost& message, snapshot::VirtualHost& host, std::size_t number,
                  DomainOwners& owners, Reading& reading) {
  for (const auto& text : message.domains()) {
    const auto domain = snapshot::parse_domain(text);
    if (!domain) {
      reading.refuse(fmt::format("no host matches the domain \"{}\" of the virtual host \"{}\": {}", text,
                                 host.name, snapshot::describe(domain.error()).what));
      return;
    }
    const auto [owner, is_new] = owners.try_emplace(domain->to_string(), number);
    if (is_new) {
      host.domains.push_back(owner->first);
    } else if (owner->second != number) {
      reading.refuse(fmt::format("the domain \"{}\" of the virtual host \"{}\" belongs to another already",
                                 text, host.name));
    }
  }
  if (host.domains.empty()) reading.refuse(fmt::format("the virtual host \"{}\" has no domain", host.name));
}

snapshot::VirtualHost read_virtual_host(const route_v3::VirtualHost& message, const base::Origin& origin,
                                        std::size_t number, DomainOwners& owners, Reading& reading) {
  reading.scan(message, policies::virtual_host);
  snapshot::VirtualHost host;
  host.name = message.name();
  read_domains(message, host, number, owners, reading);
  host.routes.reserve(static_cast<std::size_t>(message.routes_size()));
  for (const auto& route : message.routes()) host.routes.push_back(read_route(route, reading));
  if (!reading.failed()) reading.origin(origin);
  return host;
}

}  // namespace

std::expected<snapshot::RouteTable, XdsError> decode_routes(std::string_view body, Ignored& ignored) {
  Reading reading("route table", ignored);
  route_v3::RouteConfiguration message;
  if (!parse(message, body)) reading.refuse(std::string(unparsable));
  snapshot::RouteTable table;
  table.name = message.name();
  table.origin = Weft(message.metadata()).origin();
  reading.name(table.name);
  reading.origin(table.origin);
  if (table.name.empty()) reading.refuse("it has no name");
  reading.scan(message, policies::route_table);
  table.virtual_hosts.reserve(static_cast<std::size_t>(message.virtual_hosts_size()));
  DomainOwners owners;
  for (const auto& host : message.virtual_hosts()) {
    table.virtual_hosts.push_back(
        read_virtual_host(host, table.origin, table.virtual_hosts.size(), owners, reading));
  }
  return reading.result(std::move(table));
}

}  // namespace weft::xds
