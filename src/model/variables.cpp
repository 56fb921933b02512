#include "model/variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace weft::model {
namespace {

constexpr std::array<std::string_view, 6> plain_fields = {"metadata.name", "metadata.namespace",
                                                          "spec.nodeName", "spec.serviceAccountName",
                                                          "status.podIP",  "status.hostIP"};
/// All instances listen on it, and nobody else reaches them.
constexpr std::string_view loopback = "127.0.0.1";

/// KEY of `map['KEY']`; empty if it is not of that form.
std::string_view key_of(std::string_view field_path, std::string_view map) {
  if (!field_path.starts_with(map)) return {};
  field_path.remove_prefix(map.size());
  if (!field_path.starts_with("['") || !field_path.ends_with("']") || field_path.size() < 5) return {};
  return field_path.substr(2, field_path.size() - 4);
}

std::string_view label_of(std::string_view field_path) { return key_of(field_path, "metadata.labels"); }
std::string_view annotation_of(std::string_view field_path) {
  return key_of(field_path, "metadata.annotations");
}

std::string text_in(const Labels& map, std::string_view key) {
  const auto at = map.find(std::string(key));
  return at == map.end() ? std::string() : at->second;
}

}  // namespace

std::string variable_name(std::string_view name) {
  std::string text(name);
  for (auto& c : text)
    c = c == '-' || c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

std::vector<NamedService> named_services(const Workload& workload) {
  std::vector<NamedService> named;
  std::set<std::string> taken;
  for (const bool is_own : {true, false}) {
    for (const auto& dependency : workload.dependencies) {
      const auto& target = dependency.target;
      if (target.kind != DependencyKind::service || (target.ns == workload.ref.ns) != is_own) continue;
      if (std::ranges::find(named, target, &NamedService::service) != named.end()) continue;
      auto prefix = variable_name(target.name);
      if (taken.contains(prefix)) prefix = variable_name(target.ns) + "_" + prefix;
      const auto wanted = prefix;
      for (int number = 2; taken.contains(prefix); ++number) prefix = fmt::format("{}_{}", wanted, number);
      taken.insert(prefix);
      named.push_back({target, std::move(prefix)});
    }
  }
  return named;
}

std::string volume_variable(std::string_view volume) { return "VOLUME_" + variable_name(volume); }

bool is_known_field(std::string_view field_path) {
  return std::ranges::find(plain_fields, field_path) != plain_fields.end() || !label_of(field_path).empty() ||
         !annotation_of(field_path).empty();
}

std::string missing_key(std::string_view field_path, const ObjectMeta& metadata) {
  if (const auto key = label_of(field_path); !key.empty()) {
    const bool is_ours = key == label::template_hash || key == label::workload || key == label::kind;
    if (!is_ours && !metadata.labels.contains(std::string(key))) return fmt::format("label `{}`", key);
  }
  if (const auto key = annotation_of(field_path);
      !key.empty() && !metadata.annotations.contains(std::string(key)))
    return fmt::format("annotation `{}`", key);
  return {};
}

std::string field_value(std::string_view field_path, const InstanceFields& fields) {
  if (field_path == "metadata.name") return std::string(fields.name);
  if (field_path == "metadata.namespace") return std::string(fields.ns);
  if (field_path == "spec.nodeName") return std::string(fields.node);
  if (field_path == "spec.serviceAccountName") return std::string(fields.service_account);
  if (const auto key = label_of(field_path); !key.empty()) return text_in(fields.labels, key);
  if (const auto key = annotation_of(field_path); !key.empty()) return text_in(fields.annotations, key);
  return std::string(loopback);
}

}  // namespace weft::model
