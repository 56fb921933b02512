// What an HTTPRoute says (Gateway API v1): which requests to a Service go where. Names and defaults are
// Gateway API's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace weft::model {

struct ServicePort;

inline constexpr std::string_view gateway_group = "gateway.networking.k8s.io";

/// What a route is attached to; weft acts on Services alone, in the route's own namespace.
struct ParentRef {
  std::string group{gateway_group};
  std::string kind = "Gateway";
  /// Empty: that of the route.
  std::string ns;
  std::string name;
  /// Of a Service: the name of one of its ports; empty: all.
  std::string section_name;
  /// Zero: all ports.
  std::int32_t port = 0;

  bool is_service() const { return group.empty() && kind == "Service"; }
  /// Whether `port` and `section_name` are those of that port of it.
  bool names(const ServicePort& service_port) const;
  friend bool operator==(const ParentRef&, const ParentRef&) = default;
};

enum class PathMatchType : std::uint8_t { exact, prefix, regular_expression };
struct PathMatch {
  PathMatchType type = PathMatchType::prefix;
  std::string value = "/";

  friend bool operator==(const PathMatch&, const PathMatch&) = default;
};

enum class ValueMatchType : std::uint8_t { exact, regular_expression };
struct HeaderMatch {
  ValueMatchType type = ValueMatchType::exact;
  /// In any case.
  std::string name;
  std::string value;

  friend bool operator==(const HeaderMatch&, const HeaderMatch&) = default;
};
struct QueryParamMatch {
  ValueMatchType type = ValueMatchType::exact;
  std::string name;
  std::string value;

  friend bool operator==(const QueryParamMatch&, const QueryParamMatch&) = default;
};

/// A request that meets all of it.
struct HTTPRouteMatch {
  PathMatch path;
  std::vector<HeaderMatch> headers;
  std::vector<QueryParamMatch> query_params;
  /// Empty: any.
  std::string method;

  friend bool operator==(const HTTPRouteMatch&, const HTTPRouteMatch&) = default;
};

struct HeaderEntry {
  std::string name;
  std::string value;

  friend bool operator==(const HeaderEntry&, const HeaderEntry&) = default;
};
/// No name stands in it twice.
struct HeaderModifier {
  std::vector<HeaderEntry> set;
  std::vector<HeaderEntry> add;
  std::vector<std::string> remove;

  friend bool operator==(const HeaderModifier&, const HeaderModifier&) = default;
};

enum class PathModifierType : std::uint8_t { replace_full_path, replace_prefix_match };
/// It has the one that its type names.
struct PathModifier {
  PathModifierType type = PathModifierType::replace_full_path;
  std::optional<std::string> replace_full_path;
  std::optional<std::string> replace_prefix_match;

  friend bool operator==(const PathModifier&, const PathModifier&) = default;
};

/// It replaces at least one part.
struct RequestRedirect {
  /// "http", "https"; empty: as asked.
  std::string scheme;
  std::string hostname;
  std::optional<PathModifier> path;
  /// Zero: that of the scheme, if there is one, else as asked.
  std::int32_t port = 0;
  std::int32_t status_code = 302;

  friend bool operator==(const RequestRedirect&, const RequestRedirect&) = default;
};

/// All of Gateway API's; weft has the first two.
enum class FilterType : std::uint8_t {
  request_header_modifier,
  request_redirect,
  response_header_modifier,
  request_mirror,
  url_rewrite,
  cors,
  external_auth,
  extension_ref,
};
/// It has the one that its type names.
struct HTTPRouteFilter {
  FilterType type = FilterType::request_header_modifier;
  std::optional<HeaderModifier> request_header_modifier;
  std::optional<RequestRedirect> request_redirect;

  friend bool operator==(const HTTPRouteFilter&, const HTTPRouteFilter&) = default;
};

struct BackendRef {
  std::string group;
  std::string kind = "Service";
  /// Empty: that of the route.
  std::string ns;
  std::string name;
  std::int32_t port = 0;
  std::int32_t weight = 1;

  friend bool operator==(const BackendRef&, const BackendRef&) = default;
};

/// Zero is no limit.
struct HTTPRouteTimeouts {
  std::optional<base::Duration> request;
  /// Not more than `request`.
  std::optional<base::Duration> backend_request;

  /// The one that holds, if one is set.
  std::optional<base::Duration> limit() const;
  friend bool operator==(const HTTPRouteTimeouts&, const HTTPRouteTimeouts&) = default;
};

/// Requests that meet any of the matches are sent to the backends, or redirected.
struct HTTPRouteRule {
  std::string name;
  /// Empty: all requests.
  std::vector<HTTPRouteMatch> matches;
  /// At most one of a type.
  std::vector<HTTPRouteFilter> filters;
  std::vector<BackendRef> backend_refs;
  HTTPRouteTimeouts timeouts;

  /// Null: none.
  const RequestRedirect* redirect() const;
  const HeaderModifier* header_modifier() const;
  friend bool operator==(const HTTPRouteRule&, const HTTPRouteRule&) = default;
};

struct HTTPRouteSpec {
  std::vector<ParentRef> parent_refs;
  /// Names, "*.example.com" for all below one; empty: all hosts.
  std::vector<std::string> hostnames;
  std::vector<HTTPRouteRule> rules;

  friend bool operator==(const HTTPRouteSpec&, const HTTPRouteSpec&) = default;
};

}  // namespace weft::model
