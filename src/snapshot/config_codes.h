// The stable names of what can be wrong with a config file beyond its YAML; docs/errors.md explains each.
#pragma once

#include <array>
#include <string_view>

namespace weft::snapshot::code {

constexpr std::string_view wrong_type = "config/wrong-type";
constexpr std::string_view unknown_field = "config/unknown-field";
constexpr std::string_view missing_field = "config/missing-field";
constexpr std::string_view bad_value = "config/bad-value";
constexpr std::string_view duplicate = "config/duplicate";
constexpr std::string_view unknown_cluster = "config/unknown-cluster";
constexpr std::string_view documents = "config/documents";
constexpr std::string_view unreadable = "config/unreadable";
constexpr std::string_view bad_pem = "config/bad-pem";

constexpr std::array all{wrong_type,      unknown_field, missing_field, bad_value, duplicate,
                         unknown_cluster, documents,     unreadable,    bad_pem};

}  // namespace weft::snapshot::code
