// The stable names of what can be wrong with a resource or between resources; docs/errors.md explains each.
#pragma once

#include <array>
#include <string_view>

namespace weft::model::code {

constexpr std::string_view empty = "model/empty";
constexpr std::string_view not_a_resource = "model/not-a-resource";
constexpr std::string_view compose_file = "model/compose-file";
constexpr std::string_view unknown_kind = "model/unknown-kind";
constexpr std::string_view wrong_api_version = "model/wrong-api-version";
constexpr std::string_view read_only_kind = "model/read-only-kind";
constexpr std::string_view missing_field = "model/missing-field";
constexpr std::string_view unknown_field = "model/unknown-field";
constexpr std::string_view ignored_field = "model/ignored-field";
constexpr std::string_view wrong_type = "model/wrong-type";
constexpr std::string_view invalid_value = "model/invalid-value";
constexpr std::string_view too_large = "model/too-large";
constexpr std::string_view duplicate = "model/duplicate";
constexpr std::string_view duplicate_resource = "model/duplicate-resource";
constexpr std::string_view other_namespace = "model/other-namespace";
constexpr std::string_view selector_mismatch = "model/selector-mismatch";
constexpr std::string_view impossible_condition = "model/impossible-condition";
constexpr std::string_view extra_container = "model/extra-container";
constexpr std::string_view opaque_protocol = "model/opaque-protocol";
constexpr std::string_view known_protocol = "model/known-protocol";
constexpr std::string_view unknown_image = "model/unknown-image";
constexpr std::string_view unknown_port = "model/unknown-port";
constexpr std::string_view fixed_port = "model/fixed-port";
constexpr std::string_view missing_dependency = "model/missing-dependency";
constexpr std::string_view deleted_dependency = "model/deleted-dependency";
constexpr std::string_view missing_reference = "model/missing-reference";
constexpr std::string_view missing_path = "model/missing-path";
constexpr std::string_view relative_path = "model/relative-path";
constexpr std::string_view not_mounted = "model/not-mounted";
constexpr std::string_view empty_variable = "model/empty-variable";
constexpr std::string_view variable_collision = "model/variable-collision";
constexpr std::string_view dependency_cycle = "model/dependency-cycle";
constexpr std::string_view target_port_mismatch = "model/target-port-mismatch";
constexpr std::string_view selects_nothing = "model/selects-nothing";
constexpr std::string_view missing_target = "model/missing-target";
constexpr std::string_view policy_conflict = "model/policy-conflict";
constexpr std::string_view unsupported = "model/unsupported";

constexpr std::array all{empty,
                         not_a_resource,
                         unknown_kind,
                         wrong_api_version,
                         read_only_kind,
                         missing_field,
                         unknown_field,
                         ignored_field,
                         wrong_type,
                         invalid_value,
                         duplicate,
                         duplicate_resource,
                         selector_mismatch,
                         impossible_condition,
                         extra_container,
                         opaque_protocol,
                         unknown_port,
                         missing_dependency,
                         deleted_dependency,
                         dependency_cycle,
                         target_port_mismatch,
                         selects_nothing,
                         other_namespace,
                         too_large,
                         missing_target,
                         policy_conflict,
                         unsupported,
                         missing_reference,
                         missing_path,
                         relative_path,
                         not_mounted,
                         empty_variable,
                         variable_collision,
                         compose_file,
                         known_protocol,
                         unknown_image,
                         fixed_port};

}  // namespace weft::model::code
