// Small value types and the rules of Kubernetes for what a name, a label, a port or a quantity may be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace weft::model {

/// A port by number or by name (targetPort, a probe's port).
struct IntOrString {
  std::variant<std::int32_t, std::string> value = std::int32_t{0};

  const std::int32_t* number() const { return std::get_if<std::int32_t>(&value); }
  const std::string* name() const { return std::get_if<std::string>(&value); }
  std::string to_string() const;
  friend bool operator==(const IntOrString&, const IntOrString&) = default;
};

/// How many of a whole: a number, or a share in percent ("25%").
struct IntOrPercent {
  std::int32_t amount = 0;
  bool is_percent = false;

  /// Of `total`; Kubernetes rounds maxSurge up and maxUnavailable down.
  int rounded_up(int total) const;
  int rounded_down(int total) const;
  std::string to_string() const;
  friend bool operator==(const IntOrPercent&, const IntOrPercent&) = default;
};
/// Of "25%", without a sign and up to 10000%; nothing if it is not written so.
std::optional<IntOrPercent> parse_percent(std::string_view text);

/// A Kubernetes quantity ("100m", "1.5Gi", "2e3") as a number; nothing if it is malformed.
/// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
std::optional<double> parse_quantity(std::string_view text);

/// What is wrong with a value; empty if nothing is. Each is a phrase that follows the value: "must be ...".
using Fault = std::string;

Fault dns1123_label_fault(std::string_view text);
Fault dns1123_subdomain_fault(std::string_view text);
Fault dns1035_label_fault(std::string_view text);
/// A Deployment's or Job's name: a subdomain of at most 63 characters, for it becomes a label's value.
Fault workload_name_fault(std::string_view text);
/// A mesh has one MeshConfig, named "default".
Fault mesh_config_name_fault(std::string_view text);
/// IANA_SVC_NAME (RFC 6335, 5.1) in lower case: a port's name, at most 15 characters with at least one
/// letter.
Fault port_name_fault(std::string_view text);
/// A label's or annotation's key: an optional DNS subdomain and /, then a name of at most 63 characters.
Fault label_key_fault(std::string_view text);
Fault label_value_fault(std::string_view text);
/// An environment variable's name: printable ASCII without =.
Fault env_name_fault(std::string_view text);
/// What may stand before such a name; it may be empty.
Fault env_prefix_fault(std::string_view text);
/// A key of a ConfigMap or Secret: letters, digits, -, _ and ., at most 253, and no name that leads up.
Fault data_key_fault(std::string_view text);
/// A relative path that stays below where it begins, and out of the names that a volume needs itself
/// (..data).
Fault path_below_fault(std::string_view text);
Fault quantity_fault(std::string_view text);
/// Of HTTPRoutes (routes.cpp). A header's name: a token; its value: without control bytes and outer blanks.
Fault header_name_fault(std::string_view text);
Fault header_value_fault(std::string_view text);
/// The value of a query's parameter, as it is sent.
Fault query_value_fault(std::string_view text);
/// A header that a route may change.
Fault changed_header_fault(std::string_view text);
/// A method that is routed.
Fault route_method_fault(std::string_view text);
Fault scheme_fault(std::string_view text);
/// Gateway API's PreciseHostname: a name, in lower case, that is no address.
Fault precise_hostname_fault(std::string_view text);

}  // namespace weft::model
