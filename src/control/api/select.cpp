#include "control/api/select.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace weft::control::api {

namespace {

using base::Json;

/// The fields that Kubernetes lets each kind be selected by, as far as weft fills them in.
std::vector<std::string_view> selectable_fields(const model::Kind& kind) {
  std::vector<std::string_view> fields{"metadata.name", "metadata.namespace"};
  if (kind.kind == "Pod") fields.insert(fields.end(), {"status.phase", "spec.nodeName"});
  if (kind.kind == "Event") {
    fields.insert(fields.end(), {"involvedObject.kind", "involvedObject.name", "involvedObject.namespace",
                                 "involvedObject.uid", "reason", "type"});
  }
  return fields;
}

/// The string at a dotted path, empty if there is none.
std::string_view text_at(const Json& object, std::string_view path) {
  const Json* at = &object;
  while (!path.empty()) {
    const auto part = path.substr(0, path.find('.'));
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    if (!at->is_object()) return {};
    const auto found = at->find(part);
    if (found == at->end()) return {};
    at = &*found;
  }
  return at->is_string() ? std::string_view(at->get_ref<const std::string&>()) : std::string_view();
}

model::Labels labels_of(const Json& object) {
  model::Labels labels;
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return labels;
  const auto found = metadata->find("labels");
  if (found == metadata->end() || !found->is_object()) return labels;
  for (const auto& [key, value] : found->items()) {
    if (value.is_string()) labels.emplace(key, value.get<std::string>());
  }
  return labels;
}

/// One of name=value, name==value, name!=value.
Outcome<FieldRequirement> parse_requirement(const model::Kind& kind, std::string_view text) {
  const auto at = text.find('=');
  if (at == std::string_view::npos || at == 0) {
    return refuse(
        Reason::bad_request,
        fmt::format("the fieldSelector \"{}\" is not of the form field=value or field!=value", text));
  }
  FieldRequirement requirement;
  requirement.equal = text[at - 1] != '!';
  requirement.field = text.substr(0, requirement.equal ? at : at - 1);
  auto value = text.substr(at + 1);
  if (value.starts_with('=')) value.remove_prefix(1);
  requirement.value = value;
  const auto known = selectable_fields(kind);
  if (std::ranges::find(known, requirement.field) == known.end()) {
    return refuse(Reason::bad_request, fmt::format("{} cannot be selected by the field \"{}\", only by {}",
                                                   kind.plural, requirement.field, fmt::join(known, ", ")));
  }
  return requirement;
}

}  // namespace

bool Selection::matches(const Json& object) const {
  if (!ns.empty() && text_at(object, "metadata.namespace") != ns) return false;
  for (const auto& requirement : fields) {
    if ((text_at(object, requirement.field) == requirement.value) != requirement.equal) return false;
  }
  return labels.empty() || model::matches(labels, labels_of(object));
}

Outcome<Selection> parse_selection(const model::Kind& kind, std::string ns, std::string_view label_selector,
                                   std::string_view field_selector) {
  Selection selection;
  selection.ns = std::move(ns);
  if (!label_selector.empty()) {
    auto labels = model::parse_label_selector(label_selector);
    if (!labels) {
      return refuse(Reason::bad_request,
                    fmt::format("the labelSelector \"{}\" is malformed: {}", label_selector, labels.error()));
    }
    selection.labels = std::move(*labels);
  }
  while (!field_selector.empty()) {
    const auto part = field_selector.substr(0, field_selector.find(','));
    field_selector.remove_prefix(std::min(field_selector.size(), part.size() + 1));
    if (part.empty()) continue;
    auto requirement = parse_requirement(kind, part);
    if (!requirement) return std::unexpected(requirement.error());
    selection.fields.push_back(std::move(*requirement));
  }
  return selection;
}

}  // namespace weft::control::api
