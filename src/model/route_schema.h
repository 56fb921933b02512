// What a user may write of an HTTPRoute (Gateway API v1, httproute_types.go); how to read it is in schema.h.
#pragma once

#include "model/schema.h"

namespace weft::model {

/// Gateway API's limits of the lists of a route.
constexpr Items few_parents{1, 32};
constexpr Items few_hosts{0, 16};
constexpr Items few_rules{1, 16};
constexpr Items few_matches{0, 64};
constexpr std::size_t most_matches = 128;  // of all rules together
constexpr Items few_of_route{0, 16};
constexpr Range weight_range{0, 1'000'000};

template <>
struct EnumNames<PathMatchType> {
  static constexpr std::pair<std::string_view, PathMatchType> values[] = {
      {"Exact", PathMatchType::exact},
      {"PathPrefix", PathMatchType::prefix},
      {"RegularExpression", PathMatchType::regular_expression}};
};
template <>
struct EnumNames<ValueMatchType> {
  static constexpr std::pair<std::string_view, ValueMatchType> values[] = {
      {"Exact", ValueMatchType::exact}, {"RegularExpression", ValueMatchType::regular_expression}};
};
template <>
struct EnumNames<PathModifierType> {
  static constexpr std::pair<std::string_view, PathModifierType> values[] = {
      {"ReplaceFullPath", PathModifierType::replace_full_path},
      {"ReplacePrefixMatch", PathModifierType::replace_prefix_match}};
};
template <>
struct EnumNames<FilterType> {
  static constexpr std::pair<std::string_view, FilterType> values[] = {
      {"RequestHeaderModifier", FilterType::request_header_modifier},
      {"RequestRedirect", FilterType::request_redirect},
      {"ResponseHeaderModifier", FilterType::response_header_modifier},
      {"RequestMirror", FilterType::request_mirror},
      {"URLRewrite", FilterType::url_rewrite},
      {"CORS", FilterType::cors},
      {"ExternalAuth", FilterType::external_auth},
      {"ExtensionRef", FilterType::extension_ref}};
};

template <>
struct Schema<ParentRef> {
  template <class V>
  static void fields(V& v) {
    v.field("group", &ParentRef::group);
    v.field("kind", &ParentRef::kind);
    v.field("namespace", &ParentRef::ns, dns1123_label_fault);
    v.required("name", &ParentRef::name, dns1123_subdomain_fault);
    v.field("sectionName", &ParentRef::section_name, dns1123_subdomain_fault);
    v.field("port", &ParentRef::port, port_range);
  }
  static void check(Findings& findings, ParentRef& parent);
};

template <>
struct Schema<PathMatch> {
  template <class V>
  static void fields(V& v) {
    v.field("type", &PathMatch::type);
    v.field("value", &PathMatch::value);
  }
  static void check(Findings& findings, PathMatch& path);
};

template <>
struct Schema<HeaderMatch> {
  template <class V>
  static void fields(V& v) {
    v.field("type", &HeaderMatch::type);
    v.required("name", &HeaderMatch::name, header_name_fault);
    v.required("value", &HeaderMatch::value, header_value_fault);
  }
  static void check(Findings& findings, HeaderMatch& match);
};

template <>
struct Schema<QueryParamMatch> {
  template <class V>
  static void fields(V& v) {
    v.field("type", &QueryParamMatch::type);
    v.required("name", &QueryParamMatch::name, header_name_fault);
    v.required("value", &QueryParamMatch::value, query_value_fault);
  }
  static void check(Findings& findings, QueryParamMatch& match);
};

template <>
struct Schema<HTTPRouteMatch> {
  template <class V>
  static void fields(V& v) {
    v.field("path", &HTTPRouteMatch::path);
    v.field("headers", &HTTPRouteMatch::headers, few_of_route);
    v.field("queryParams", &HTTPRouteMatch::query_params, few_of_route);
    v.field("method", &HTTPRouteMatch::method, route_method_fault);
  }
  static void check(Findings& findings, HTTPRouteMatch& match);
};

template <>
struct Schema<HeaderEntry> {
  template <class V>
  static void fields(V& v) {
    v.required("name", &HeaderEntry::name, changed_header_fault);
    v.required("value", &HeaderEntry::value, header_value_fault);
  }
};

template <>
struct Schema<HeaderModifier> {
  template <class V>
  static void fields(V& v) {
    v.field("set", &HeaderModifier::set, few_of_route);
    v.field("add", &HeaderModifier::add, few_of_route);
    v.field("remove", &HeaderModifier::remove, few_of_route);
  }
  static void check(Findings& findings, HeaderModifier& modifier);
};

template <>
struct Schema<PathModifier> {
  template <class V>
  static void fields(V& v) {
    v.required("type", &PathModifier::type);
    v.field("replaceFullPath", &PathModifier::replace_full_path);
    v.field("replacePrefixMatch", &PathModifier::replace_prefix_match);
  }
  static void check(Findings& findings, PathModifier& modifier);
};

template <>
struct Schema<RequestRedirect> {
  template <class V>
  static void fields(V& v) {
    v.field("scheme", &RequestRedirect::scheme, scheme_fault);
    v.field("hostname", &RequestRedirect::hostname, precise_hostname_fault);
    v.field("path", &RequestRedirect::path);
    v.field("port", &RequestRedirect::port, port_range);
    v.field("statusCode", &RequestRedirect::status_code);
  }
  static void check(Findings& findings, RequestRedirect& redirect);
};

template <>
struct Schema<HTTPRouteFilter> {
  template <class V>
  static void fields(V& v) {
    v.required("type", &HTTPRouteFilter::type);
    v.field("requestHeaderModifier", &HTTPRouteFilter::request_header_modifier);
    v.field("requestRedirect", &HTTPRouteFilter::request_redirect);
    v.kept({"responseHeaderModifier", "requestMirror", "urlRewrite", "cors", "externalAuth", "extensionRef"});
  }
  static void check(Findings& findings, HTTPRouteFilter& filter);
};

template <>
struct Schema<BackendRef> {
  template <class V>
  static void fields(V& v) {
    v.field("group", &BackendRef::group);
    v.field("kind", &BackendRef::kind);
    v.field("namespace", &BackendRef::ns, dns1123_label_fault);
    v.required("name", &BackendRef::name, dns1123_subdomain_fault);
    v.field("port", &BackendRef::port, port_range);
    v.field("weight", &BackendRef::weight, weight_range);
    v.kept({"filters"});
  }
  static void check(Findings& findings, BackendRef& backend);
};

template <>
struct Schema<HTTPRouteTimeouts> {
  template <class V>
  static void fields(V& v) {
    v.field("request", &HTTPRouteTimeouts::request);
    v.field("backendRequest", &HTTPRouteTimeouts::backend_request);
  }
  static void check(Findings& findings, HTTPRouteTimeouts& timeouts);
};

template <>
struct Schema<HTTPRouteRule> {
  template <class V>
  static void fields(V& v) {
    v.field("name", &HTTPRouteRule::name, dns1123_subdomain_fault);
    v.field("matches", &HTTPRouteRule::matches, few_matches);
    v.field("filters", &HTTPRouteRule::filters, few_of_route);
    v.field("backendRefs", &HTTPRouteRule::backend_refs, few_of_route);
    v.field("timeouts", &HTTPRouteRule::timeouts);
    v.kept({"retry", "sessionPersistence"});
  }
  static void check(Findings& findings, HTTPRouteRule& rule);
};

template <>
struct Schema<HTTPRouteSpec> {
  template <class V>
  static void fields(V& v) {
    v.required("parentRefs", &HTTPRouteSpec::parent_refs, few_parents);
    v.field("hostnames", &HTTPRouteSpec::hostnames, few_hosts);
    v.required("rules", &HTTPRouteSpec::rules, few_rules);
    v.kept({"useDefaultGateways"});
  }
  static void check(Findings& findings, HTTPRouteSpec& spec);
};

template <>
struct Schema<HTTPRoute> : KindSchema<HTTPRoute> {
  static void check(Findings& findings, HTTPRoute& route);
};

}  // namespace weft::model
