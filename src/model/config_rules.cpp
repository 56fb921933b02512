// The rules of ConfigMaps and Secrets, and of what refers to them.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/base64.h"
#include "model/codes.h"
#include "model/config_schema.h"
#include "model/variables.h"

namespace weft::model {
namespace {

/// Reports a struct that has none or several of the fields of which it needs one; `there` says which it has.
void expect_one(Findings& findings, std::initializer_list<bool> there, std::string_view what,
                std::string_view names) {
  const auto count = std::ranges::count(there, true);
  if (count == 1) return;
  findings.error({}, count == 0 ? code::missing_field : code::invalid_value,
                 fmt::format("{} {} {}", what, count == 0 ? "needs one of" : "has more than one of", names),
                 count == 0 ? "Add one of them." : "Keep one of them.");
}

using Data = std::map<std::string, std::string>;

std::size_t size_of(const Data& data, bool is_base64) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : data)
    bytes += is_base64 ? base::decode_base64(value).value_or("").size() : value.size();
  return bytes;
}

/// Reports paths that cannot be written beside each other: the same one twice, or one below another.
void expect_own_paths(Findings& findings, const std::vector<KeyToPath>& items) {
  std::set<std::string_view> paths;
  const auto report = [&findings](std::size_t i, std::string message) {
    findings.error(fmt::format("items[{}].path", i), code::duplicate, std::move(message),
                   "Give each key a path of its own.");
  };
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!paths.insert(items[i].path).second)
      report(i, fmt::format("another key has the path `{}` too", items[i].path));
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string_view path = items[i].path;
    for (auto at = path.find('/'); at != std::string_view::npos; at = path.find('/', at + 1)) {
      if (!paths.contains(path.substr(0, at))) continue;
      report(i, fmt::format("`{}` lies below `{}`, which is another key's file", path, path.substr(0, at)));
      break;
    }
  }
}

void expect_data_size(Findings& findings, std::size_t bytes) {
  if (bytes <= most_data_bytes) return;
  findings.error(
      {}, code::too_large,
      fmt::format("the values have {} bytes together, at most {} are allowed", bytes, most_data_bytes),
      "Keep large files in a folder, and make it a volume with `hostPath`.");
}

}  // namespace

void Schema<FieldSelector>::check(Findings& findings, FieldSelector& selector) {
  if (is_known_field(selector.field_path)) return;
  findings.error("fieldPath", code::invalid_value,
                 fmt::format("`{}` is no field that an instance can be told of", selector.field_path),
                 "Use one of metadata.name, metadata.namespace, metadata.labels['KEY'], "
                 "metadata.annotations['KEY'], spec.nodeName, spec.serviceAccountName, status.podIP, "
                 "status.hostIP.");
}

void Schema<EnvVarSource>::check(Findings& findings, EnvVarSource& source) {
  for (const std::string_view other : {"resourceFieldRef", "fileKeyRef"}) {
    if (!findings.node().find(other)) continue;
    findings.error(other, code::invalid_value, fmt::format("weft has no `{}`: it would be empty", other),
                   "Write the value itself, or use configMapKeyRef, secretKeyRef or fieldRef.");
    return;
  }
  expect_one(findings,
             {source.config_map_key_ref.has_value(), source.secret_key_ref.has_value(),
              source.field_ref.has_value()},
             "`valueFrom`", "configMapKeyRef, secretKeyRef and fieldRef");
}

void Schema<EnvVar>::check(Findings& findings, EnvVar& variable) {
  const yaml::Node* value = findings.node().find("value");
  const bool is_written = value && !value->is_null();
  if (variable.value_from && is_written && !variable.value.empty())
    findings.error("value", code::invalid_value,
                   fmt::format("`{}` has both `value` and `valueFrom`", variable.name), "Keep one of them.");
  if (!variable.value_from && !is_written)
    findings.warning("name", code::empty_variable,
                     fmt::format("`{}` has neither `value` nor `valueFrom`: it will be empty", variable.name),
                     "Give it a value; `value: \"\"` if that is meant.");
}

void Schema<EnvFromSource>::check(Findings& findings, EnvFromSource& source) {
  expect_one(findings, {source.config_map_ref.has_value(), source.secret_ref.has_value()},
             "an entry of `envFrom`", "configMapRef and secretRef");
}

void Schema<ConfigMapVolume>::check(Findings& findings, ConfigMapVolume& volume) {
  expect_own_paths(findings, volume.items);
}

void Schema<SecretVolume>::check(Findings& findings, SecretVolume& volume) {
  expect_own_paths(findings, volume.items);
}

void Schema<Volume>::check(Findings& findings, Volume& volume) {
  const bool is_other = std::ranges::any_of(
      other_volumes, [&](std::string_view name) { return findings.node().find(name) != nullptr; });
  expect_one(findings,
             {volume.config_map.has_value(), volume.secret.has_value(), volume.empty_dir.has_value(),
              volume.host_path.has_value(), is_other},
             fmt::format("the volume `{}`", volume.name), "configMap, secret, emptyDir and hostPath");
}

void Schema<PodTemplateSpec>::check(Findings& findings, PodTemplateSpec& pod_template) {
  const auto& containers = pod_template.spec.containers;
  for (std::size_t i = 0; i < containers.front().env.size(); ++i) {
    const auto& source = containers.front().env[i].value_from;
    if (!source || !source->field_ref) continue;
    const auto missing = missing_key(source->field_ref->field_path, pod_template.metadata);
    if (missing.empty()) continue;
    findings.error(fmt::format("spec.containers[0].env[{}].valueFrom.fieldRef.fieldPath", i),
                   code::invalid_value,
                   fmt::format("the template has no {}: the variable would be empty", missing),
                   "Add it below `template.metadata`.");
  }
}

void Schema<ConfigMap>::check(Findings& findings, ConfigMap& resource) {
  check_metadata(findings, resource.metadata);
  for (const auto& [key, value] : resource.binary_data) {
    if (!resource.data.contains(key)) continue;
    findings.error(fmt::format("binaryData[{}]", key), code::duplicate,
                   fmt::format("the key `{}` is also in `data`", key), "Keep one of the two.");
  }
  expect_data_size(findings, size_of(resource.data, false) + size_of(resource.binary_data, true));
}

void Schema<Secret>::check(Findings& findings, Secret& resource) {
  check_metadata(findings, resource.metadata);
  expect_data_size(findings, size_of(resource.data, true) + size_of(resource.string_data, false));
}

}  // namespace weft::model
