// The rules of HTTPRoutes: Gateway API's (the validations of its CRD), and what weft cannot do.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/host.h"
#include "message/headers.h"
#include "message/syntax.h"
#include "model/codes.h"
#include "model/route_schema.h"

namespace weft::model {
namespace {

/// HTTPPathMatch.value, HTTPHeaderMatch.value and HTTPHeaderName of the CRD.
constexpr std::size_t most_path = 1024;
constexpr std::size_t most_value = 4096;
constexpr std::size_t most_name = 256;

std::string lower(std::string_view text) {
  std::string name(text);
  std::ranges::transform(name, name.begin(), message::ascii_lower);
  return name;
}

Fault path_fault(std::string_view path) {
  constexpr std::string_view marks = "-._~!$&'()*+,;=:@/";
  if (!path.starts_with('/')) return "must begin with /";
  if (path.size() > most_path) return fmt::format("must be no longer than {} bytes", most_path);
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto c = message::ascii_lower(path[i]);
    const bool is_plain = message::is_digit(c) || (c >= 'a' && c <= 'z') || marks.find(c) != marks.npos;
    if (is_plain) continue;
    const auto digits = path.substr(i + 1, 2);
    const bool is_escape =
        c == '%' && digits.size() == 2 && std::ranges::all_of(digits, message::is_hex_digit);
    if (!is_escape)
      return "must be as a path is sent: letters, digits, -._~!$&'()*+,;=:@/ and % with two digits";
    // Requests with %00 are refused.
    if (digits == "00" || lower(digits) == "2f") return fmt::format("must not have %{}", digits);
  }
  for (const std::string_view part : {"//", "/./", "/../"})
    if (path.find(part) != path.npos) return fmt::format("must not have {}", part);
  if (path.ends_with("/.") || path.ends_with("/..")) return "must not end with a dot as its last part";
  return {};
}

void no_regular_expression(Findings& findings) {
  findings.error("type", code::unsupported, "weft has no matches by regular expressions yet",
                 "Write the values that are meant, each in a match of its own.");
}

/// Reports the items of a list that have the name of one before them.
void expect_unique(Findings& findings, std::string_view list, const auto& items, auto name_of,
                   std::string_view field) {
  std::map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto name = name_of(items[i]);
    if (name.empty()) continue;
    const auto [there, is_new] = first.emplace(name, i);
    if (is_new) continue;
    findings.error(fmt::format("{}[{}]{}", list, i, field), code::duplicate,
                   fmt::format("`{}` is also in {}[{}]", name, list, there->second),
                   "Remove one of the two.");
  }
}

constexpr auto name_in = [](const auto& item) { return item.name; };
constexpr auto lower_name_in = [](const auto& item) { return lower(item.name); };

/// A path that takes the place of another; of a prefix it may be empty.
void check_new_path(Findings& findings, std::string_view field, const std::string& path, bool may_be_empty) {
  if (may_be_empty && path.empty()) return;
  findings.expect(field, path, path_fault, "Write a path such as /new.");
}

bool is_there(const Findings& findings, std::string_view field) {
  const auto* node = findings.node().find(field);
  return node != nullptr && !node->is_null();
}

Fault hostname_fault(std::string_view text, bool may_have_star) {
  if (may_have_star && text.starts_with("*.")) text.remove_prefix(2);
  if (text.size() + 2 > base::max_host_bytes) return "must be shorter than 252 bytes";
  if (auto fault = dns1123_subdomain_fault(text); !fault.empty()) return fault;
  for (std::size_t begin = 0, end = 0; begin <= text.size(); begin = end + 1) {
    end = std::min(text.find('.', begin), text.size());
    if (end - begin > base::max_label_bytes) return "must have no part between dots of more than 63 bytes";
  }
  return base::is_numeric(text) ? "must be a name, not an IP address" : "";
}

}  // namespace

Fault header_name_fault(std::string_view text) {
  if (text.size() > most_name) return fmt::format("must be no longer than {} bytes", most_name);
  return message::is_token(text)
             ? ""
             : "must be a name as headers have it: letters, digits and a few marks like -";
}

Fault header_value_fault(std::string_view text) {
  if (text.empty() || text.size() > most_value) return fmt::format("must have 1 to {} bytes", most_value);
  const bool is_value = message::is_field_value(text) && message::trim(text) == text;
  return is_value ? "" : "must have no control bytes, and no blanks at its ends";
}

Fault query_value_fault(std::string_view text) {
  if (text.empty() || text.size() > most_value / 4)
    return fmt::format("must have 1 to {} bytes", most_value / 4);
  const bool is_sent =
      std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '&' && c != '#'; });
  return is_sent ? "" : "must be as it is sent: in ASCII, without blanks, & and # (write %20 for a blank)";
}

Fault changed_header_fault(std::string_view text) {
  if (auto fault = header_name_fault(text); !fault.empty()) return fault;
  const bool is_carrying =
      (message::carrying_fields & message::Headers::bit(message::identify_field(text))) != 0;
  return is_carrying ? "must be another: that header is the proxy's own to write" : "";
}

Fault route_method_fault(std::string_view text) {
  constexpr std::string_view routed[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
  if (text == "CONNECT" || text == "TRACE") return "must be another: weft answers it 405 everywhere";
  return std::ranges::find(routed, text) != std::end(routed)
             ? ""
             : fmt::format("must be one of {}", fmt::join(routed, ", "));
}

Fault scheme_fault(std::string_view text) {
  return text == "http" || text == "https" ? "" : "must be http or https";
}

Fault precise_hostname_fault(std::string_view text) { return hostname_fault(text, false); }

bool ParentRef::names(const ServicePort& service_port) const {
  return (port == 0 || port == service_port.port) &&
         (section_name.empty() || section_name == service_port.name);
}

std::optional<base::Duration> HTTPRouteTimeouts::limit() const {
  const bool has_other = backend_request && backend_request->count() > 0;
  return has_other || !request ? backend_request : request;
}

const RequestRedirect* HTTPRouteRule::redirect() const {
  const auto at = std::ranges::find(filters, FilterType::request_redirect, &HTTPRouteFilter::type);
  return at == filters.end() ? nullptr : &*at->request_redirect;
}

const HeaderModifier* HTTPRouteRule::header_modifier() const {
  const auto at = std::ranges::find(filters, FilterType::request_header_modifier, &HTTPRouteFilter::type);
  return at == filters.end() ? nullptr : &*at->request_header_modifier;
}

void Schema<ParentRef>::check(Findings& findings, ParentRef& parent) {
  if (parent.is_service()) {
    findings.expect("name", parent.name, dns1035_label_fault);
  } else if (parent.kind == "Service" && !is_there(findings, "group")) {
    findings.error(
        "kind", code::invalid_value,
        fmt::format("`{}` has no kind Service, and a parent is of it where it says nothing", gateway_group),
        findings.insert({}, "Write `group: \"\"`, the group of Services.", "group: \"\""));
  } else {
    findings.warning(
        "kind", code::ignored_field,
        fmt::format("weft attaches routes to Services, and does not act on the {} `{}`", parent.kind,
                    parent.name),
        "Nothing, if another controller does; else name a Service (`group: \"\"`, `kind: Service`).");
  }
}

void Schema<PathMatch>::check(Findings& findings, PathMatch& path) {
  if (path.type == PathMatchType::regular_expression) return no_regular_expression(findings);
  findings.expect("value", path.value, path_fault, "Write it like /api.");
}

void Schema<HeaderMatch>::check(Findings& findings, HeaderMatch& match) {
  if (match.type == ValueMatchType::regular_expression) no_regular_expression(findings);
}

void Schema<QueryParamMatch>::check(Findings& findings, QueryParamMatch& match) {
  if (match.type == ValueMatchType::regular_expression) return no_regular_expression(findings);
  if (match.name.find_first_of("&#") != std::string::npos)
    findings.error("name", code::invalid_value, "`name` must be as it is sent: without & and #",
                   "Write it like version.");
}

void Schema<HTTPRouteMatch>::check(Findings& findings, HTTPRouteMatch& match) {
  expect_unique(findings, "headers", match.headers, lower_name_in, ".name");
  expect_unique(findings, "queryParams", match.query_params, name_in, ".name");
}

void Schema<HeaderModifier>::check(Findings& findings, HeaderModifier& modifier) {
  if (modifier == HeaderModifier{})
    return findings.error("", code::missing_field, "it changes no header", "Write `set`, `add` or `remove`.");
  for (std::size_t i = 0; i < modifier.remove.size(); ++i)
    findings.expect(fmt::format("remove[{}]", i), modifier.remove[i], changed_header_fault);
  std::map<std::string, std::string> known;
  const auto add = [&](std::string field, const std::string& name) {
    const auto [first, is_new] = known.emplace(lower(name), field);
    if (is_new) return;
    findings.error(field, code::duplicate, fmt::format("`{}` is also in {}", name, first->second),
                   "Say once what becomes of a header.");
  };
  for (std::size_t i = 0; i < modifier.set.size(); ++i)
    add(fmt::format("set[{}].name", i), modifier.set[i].name);
  for (std::size_t i = 0; i < modifier.add.size(); ++i)
    add(fmt::format("add[{}].name", i), modifier.add[i].name);
  for (std::size_t i = 0; i < modifier.remove.size(); ++i)
    add(fmt::format("remove[{}]", i), modifier.remove[i]);
}

void Schema<PathModifier>::check(Findings& findings, PathModifier& modifier) {
  const bool is_full = modifier.type == PathModifierType::replace_full_path;
  const auto* wanted = is_full ? "replaceFullPath" : "replacePrefixMatch";
  const auto* other = is_full ? "replacePrefixMatch" : "replaceFullPath";
  const auto& path = is_full ? modifier.replace_full_path : modifier.replace_prefix_match;
  if (!path)
    return findings.error("", code::missing_field, fmt::format("it has no `{}`", wanted),
                          fmt::format("Add `{}:` and the new path.", wanted));
  if (is_full ? modifier.replace_prefix_match : modifier.replace_full_path)
    return findings.error(other, code::invalid_value, fmt::format("`{}` does not go with this type", other),
                          "Remove it, or change `type`.");
  check_new_path(findings, wanted, *path, !is_full);
}

void Schema<RequestRedirect>::check(Findings& findings, RequestRedirect& redirect) {
  constexpr std::int32_t codes[] = {301, 302, 303, 307, 308};
  if (std::ranges::find(codes, redirect.status_code) == std::end(codes))
    findings.error("statusCode", code::invalid_value, "no redirect has this status",
                   "Write one of 301, 302, 303, 307, 308.");
  if (redirect == RequestRedirect{.status_code = redirect.status_code})
    findings.error("", code::missing_field, "it leads to where it came from",
                   "Write another scheme, hostname, port or path.");
}

void Schema<HTTPRouteFilter>::check(Findings& findings, HTTPRouteFilter& filter) {
  struct Row {
    FilterType type;
    std::string_view name;
    std::string_view field;
  };
  constexpr Row rows[] = {
      {FilterType::request_header_modifier, "RequestHeaderModifier", "requestHeaderModifier"},
      {FilterType::request_redirect, "RequestRedirect", "requestRedirect"},
      {FilterType::response_header_modifier, "ResponseHeaderModifier", "responseHeaderModifier"},
      {FilterType::request_mirror, "RequestMirror", "requestMirror"},
      {FilterType::url_rewrite, "URLRewrite", "urlRewrite"},
      {FilterType::cors, "CORS", "cors"},
      {FilterType::external_auth, "ExternalAuth", "externalAuth"},
      {FilterType::extension_ref, "ExtensionRef", "extensionRef"}};
  const auto& row = *std::ranges::find(rows, filter.type, &Row::type);
  if (row.type != FilterType::request_header_modifier && row.type != FilterType::request_redirect)
    return findings.error("type", code::unsupported, fmt::format("weft has no filter {} yet", row.name),
                          "Remove it: without it requests would go another way than you say.");
  if (!is_there(findings, row.field))
    return findings.error("", code::missing_field,
                          fmt::format("a filter {} has no `{}`", row.name, row.field),
                          fmt::format("Add `{}:` and what it does.", row.field));
  for (const auto& other : rows) {
    if (other.type == row.type || !is_there(findings, other.field)) continue;
    findings.error(other.field, code::invalid_value,
                   fmt::format("`{}` does not go with the type {}", other.field, row.name),
                   "Make it a filter of its own.");
  }
}

void Schema<BackendRef>::check(Findings& findings, BackendRef& backend) {
  if (is_there(findings, "filters"))
    findings.error("filters", code::unsupported, "weft has no filters of single backends yet",
                   "Write it as the filter of a rule.");
  const bool is_service = backend.group.empty() && backend.kind == "Service";
  if (is_service && backend.port == 0)
    findings.error("", code::missing_field, fmt::format("the Service `{}` has no `port` here", backend.name),
                   "Add `port:` and the number of one of its ports.");
}

void Schema<HTTPRouteTimeouts>::check(Findings& findings, HTTPRouteTimeouts& timeouts) {
  const bool is_limited = timeouts.request && timeouts.request->count() > 0;
  if (!is_limited || !timeouts.backend_request || *timeouts.backend_request <= *timeouts.request) return;
  findings.error("backendRequest", code::invalid_value, "`backendRequest` must not be longer than `request`",
                 "Make it shorter, or leave it out.");
}

void Schema<HTTPRouteRule>::check(Findings& findings, HTTPRouteRule& rule) {
  for (const std::string_view field : {"retry", "sessionPersistence"}) {
    if (is_there(findings, field))
      findings.error(field, code::unsupported, fmt::format("weft has no `{}` of a rule yet", field),
                     "Remove it.");
  }
  std::set<FilterType> types;
  for (std::size_t i = 0; i < rule.filters.size(); ++i) {
    if (!types.insert(rule.filters[i].type).second)
      findings.error(fmt::format("filters[{}].type", i), code::duplicate, "a rule has one filter of a type",
                     "Write both as one.");
  }
  const auto* redirect = rule.redirect();
  if (redirect == nullptr && rule.backend_refs.empty())
    findings.error("", code::missing_field, "a rule has neither `backendRefs` nor a redirect",
                   "Add `backendRefs:` with the Services that its requests go to.");
  if (redirect == nullptr) return;
  if (!rule.backend_refs.empty())
    findings.error("backendRefs", code::invalid_value, "what is redirected is not sent to `backendRefs` too",
                   "Remove them, or the filter RequestRedirect.");
  if (rule.header_modifier() != nullptr)
    findings.error("filters", code::invalid_value, "nobody sees the headers of a request that is redirected",
                   "Remove the filter RequestHeaderModifier.");
  const bool is_of_prefix = redirect->path && redirect->path->replace_prefix_match;
  const bool has_prefix = rule.matches.empty() || (rule.matches.size() == 1 &&
                                                   rule.matches.front().path.type == PathMatchType::prefix);
  if (is_of_prefix && !has_prefix)
    findings.error("matches", code::invalid_value,
                   "a rule with `replacePrefixMatch` has one match, whose path is a PathPrefix",
                   "Write one rule for each prefix.");
}

void Schema<HTTPRouteSpec>::check(Findings& findings, HTTPRouteSpec& spec) {
  if (is_there(findings, "useDefaultGateways"))
    findings.warning("useDefaultGateways", code::ignored_field, "weft does not act on `useDefaultGateways`",
                     "Nothing, if another controller does.");
  if (std::ranges::none_of(spec.parent_refs, &ParentRef::is_service))
    findings.error("parentRefs", code::invalid_value,
                   "no Service is among `parentRefs`: the route would do nothing",
                   "Add `{group: \"\", kind: Service, name: ...}` with the Service that is called.");
  for (std::size_t i = 0; i < spec.parent_refs.size(); ++i) {
    if (std::ranges::find(spec.parent_refs.begin(), spec.parent_refs.begin() + static_cast<std::ptrdiff_t>(i),
                          spec.parent_refs[i]) == spec.parent_refs.begin() + static_cast<std::ptrdiff_t>(i))
      continue;
    findings.error(fmt::format("parentRefs[{}].name", i), code::duplicate,
                   fmt::format("`{}` is there twice", spec.parent_refs[i].name), "Remove one of the two.");
  }
  for (std::size_t i = 0; i < spec.hostnames.size(); ++i)
    findings.expect(
        fmt::format("hostnames[{}]", i), spec.hostnames[i],
        [](std::string_view text) { return hostname_fault(text, true); },
        "Write it like shop.example, or *.shop.example for all below.");
  expect_unique(findings, "hostnames", spec.hostnames, [](const std::string& host) { return host; }, "");
  expect_unique(findings, "rules", spec.rules, name_in, ".name");
  std::size_t matches = 0;
  for (const auto& rule : spec.rules) matches += rule.matches.size();
  if (matches > most_matches)
    findings.error("rules", code::too_large,
                   fmt::format("its rules have {} matches, at most {} are allowed", matches, most_matches),
                   "Spread them over several routes.");
}

void Schema<HTTPRoute>::check(Findings& findings, HTTPRoute& route) {
  check_metadata(findings, route.metadata);
  for (std::size_t i = 0; i < route.spec.parent_refs.size(); ++i) {
    const auto& parent = route.spec.parent_refs[i];
    if (!parent.is_service() || parent.ns.empty() || parent.ns == route.metadata.ns) continue;
    findings.error(fmt::format("spec.parentRefs[{}].namespace", i), code::unsupported,
                   fmt::format("a route of the namespace `{}` is not attached to a Service of `{}`",
                               route.metadata.ns, parent.ns),
                   "Put the route into the Service's namespace.");
  }
}

}  // namespace weft::model
