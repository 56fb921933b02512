#include "model/decode.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "base/nearest.h"
#include "model/codes.h"
#include "model/config_schema.h"
#include "model/kinds.h"
#include "model/reader.h"
#include "model/shorthand.h"
#include "model/writer.h"
#include "yaml/lookalike.h"

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

/// An apiVersion or kind that goes with what the document says of the other one.
std::string_view fitting(const yaml::Node& document, std::string_view name) {
  const bool wants_kind = name == "kind";
  const yaml::Node* other = document.find(wants_kind ? "apiVersion" : "kind");
  const std::string* text = other ? other->string() : nullptr;
  for (const Kind& kind : kinds()) {
    const bool fits = text && !kind.ephemeral && *text == (wants_kind ? kind.api_version : kind.kind);
    if (fits) return wants_kind ? kind.kind : kind.api_version;
  }
  return wants_kind ? "Service" : "v1";
}

/// The key that is meant for one of these two; null if there is none.
const yaml::Entry* meant_for(const yaml::Node& document, std::string_view name) {
  constexpr std::string_view known[] = {"apiVersion", "kind", "metadata", "spec", "status"};
  for (const yaml::Entry& entry : *document.map()) {
    const bool is_it = entry.key != name && base::nearest(yaml::without_lookalikes(entry.key), known) == name;
    if (is_it) return &entry;
  }
  return nullptr;
}

/// The kind that `kind` and `apiVersion` name, null with an error in the report.
const Kind* read_kind(Report& report, const yaml::Node& document) {
  const Path root;
  Findings findings(report, document, root);
  const yaml::Node* kind_node = document.find("kind");
  const yaml::Node* version_node = document.find("apiVersion");
  for (auto [node, name] : {std::pair{version_node, "apiVersion"}, std::pair{kind_node, "kind"}}) {
    if (!node || node->is_null()) {
      if (const yaml::Entry* meant = meant_for(document, name)) {
        report_unknown(report, document, *meant, root, {name});
        return nullptr;
      }
      const auto entry = fmt::format("{}: {}", name, fitting(document, name));
      findings.error(name, code::missing_field, fmt::format("a resource needs `{}`", name),
                     node ? Mend(fmt::format("Write `{}`.", entry))
                          : findings.insert({}, fmt::format("Add it, such as `{}`.", entry), entry));
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
    findings.error(
        "kind", code::unknown_kind, fmt::format("weft has no kind `{}`", name),
        near.empty() ? Mend(fmt::format("Use one of {}.", fmt::join(names, ", ")))
                     : findings.replace("kind", fmt::format("Did you mean `{}`?", near), std::string(near)));
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
                 findings.replace("apiVersion", fmt::format("Write `apiVersion: {}`.", kind->api_version),
                                  std::string(kind->api_version)));
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
  } else if (is_compose_file(document)) {
    std::vector<std::string_view> names;
    for (const yaml::Entry& service : *document.find("services")->map()) names.emplace_back(service.key);
    report.add(base::Severity::error, code::compose_file, document.entry("services")->position, "services",
               fmt::format("this is a Compose file, with the services {}", fmt::join(names, ", ")),
               "Write a Deployment and a Service for each: docs/from-compose.md shows how.");
  } else if (const Kind* kind = read_kind(report, document)) {
    report.kind = kind->kind;
    with_type(kind->kind, [&]<class T>(T value) {
      read_struct(report, document, Path{}, value);
      if (report.errors() == 0) decoded.resource = std::move(value);
    });
  }
  decoded.diagnostics = report.finish();
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
