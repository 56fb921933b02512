#include "model/decode.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "base/nearest.h"
#include "model/codes.h"
#include "model/config_schema.h"
#include "model/kinds.h"
#include "model/reader.h"
#include "model/writer.h"

namespace weft::model {
namespace {

/// Calls `call` with a fresh value of the kind's type; false if the kind has no schema.
template <class Call>
bool with_type(std::string_view kind, Call call) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return ((kind == std::variant_alternative_t<I, Resource>::kind &&
             (call(std::variant_alternative_t<I, Resource>{}), true)) ||
            ...);
  }(std::make_index_sequence<std::variant_size_v<Resource>>{});
}

std::vector<std::string_view> writable_kinds() {
  std::vector<std::string_view> names;
  for (const Kind& kind : kinds())
    if (!kind.is_read_only()) names.push_back(kind.kind);
  return names;
}

/// The kind that `kind` and `apiVersion` name, null with an error in the report.
const Kind* read_kind(Report& report, const yaml::Node& document) {
  const Path root;
  Findings findings(report, document, root);
  const yaml::Node* kind_node = document.find("kind");
  const yaml::Node* version_node = document.find("apiVersion");
  for (auto [node, name] : {std::pair{version_node, "apiVersion"}, std::pair{kind_node, "kind"}}) {
    if (!node || node->is_null()) {
      findings.error(name, code::missing_field, fmt::format("a resource needs `{}`", name),
                     fmt::format("Add it, such as `{}`.",
                                 name == std::string_view("kind") ? "kind: Service" : "apiVersion: v1"));
      return nullptr;
    }
    if (node->string()) continue;
    findings.error(name, code::wrong_type,
                   fmt::format("`{}` must be a string, not {}", name, yaml::type_name(*node)),
                   "Write its name.");
    return nullptr;
  }
  const std::string& name = *kind_node->string();
  std::vector<std::string_view> names = writable_kinds();
  const Kind* kind = find_kind(name);
  if (!kind || kind->kind != name) {
    std::string_view near = base::nearest(name, names);
    findings.error("kind", code::unknown_kind, fmt::format("weft has no kind `{}`", name),
                   near.empty() ? fmt::format("Use one of {}.", fmt::join(names, ", "))
                                : fmt::format("Did you mean `{}`?", near));
    return nullptr;
  }
  if (kind->is_read_only()) {
    findings.error("kind", code::read_only_kind, fmt::format("weft alone makes a {}", name),
                   "Write a Deployment or a Job: it makes them.");
    return nullptr;
  }
  if (kind->api_version == *version_node->string()) return kind;
  findings.error("apiVersion", code::wrong_api_version,
                 fmt::format("`{}` has no kind {}", *version_node->string(), name),
                 fmt::format("Write `apiVersion: {}`.", kind->api_version));
  return nullptr;
}

}  // namespace

Decoded decode(const yaml::Node& document, const yaml::Source* source) {
  Report report{.source = source, .kind = "resource", .diagnostics = {}};
  Decoded decoded;
  if (!document.is_map()) {
    report.add(base::Severity::error, code::not_a_resource, document.position, {},
               fmt::format("a resource is a map, not {}", yaml::type_name(document)),
               "Begin with `apiVersion:` and `kind:`.");
  } else if (const Kind* kind = read_kind(report, document)) {
    report.kind = kind->kind;
    with_type(kind->kind, [&]<class T>(T value) {
      read_struct(report, document, Path{}, value);
      if (report.errors() == 0) decoded.resource = std::move(value);
    });
  }
  decoded.diagnostics = std::move(report.diagnostics);
  return decoded;
}

Decoded decode(const base::Json& document) { return decode(yaml::from_json(document)); }

base::Json encode(const Resource& resource) {
  return std::visit(
      [](const auto& value) {
        base::Json document = write_value(value);
        document["apiVersion"] = std::string(find_kind(value.kind)->api_version);
        document["kind"] = std::string(value.kind);
        return document;
      },
      resource);
}

std::vector<std::string> field_names(std::string_view kind, bool acted_on_only) {
  std::vector<std::string> names;
  with_type(kind, [&]<class T>(T) {
    FieldLister<T> lister({}, acted_on_only, names);
    Schema<T>::fields(lister);
  });
  return names;
}

}  // namespace weft::model
