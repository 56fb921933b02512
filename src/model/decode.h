// Documents to typed resources, and back. All rules that need no other resource are checked here.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "base/json.h"
#include "model/resource.h"
#include "yaml/node.h"
#include "yaml/parse.h"

namespace weft::model {

/// `resource` is set if and only if `diagnostics` has no errors; it may have warnings. Each diagnostic names
/// its field.
struct Decoded {
  std::optional<Resource> resource;
  base::Diagnostics diagnostics;
};

/// One document. With the text it came from, diagnostics have file, line and source line.
Decoded decode(const yaml::Node& document, const yaml::Source* source = nullptr);
/// One document from a request or from the store. Not deeper than yaml::max_depth (yaml::parse_json checks
/// that).
Decoded decode(const base::Json& document);

/// The same for a document that is known to be of kind T, such as an object of the store: its value or its
/// errors.
template <class T>
std::expected<T, base::Diagnostics> decode_as(const base::Json& document) {
  Decoded decoded = decode(document);
  if (decoded.resource) {
    if (T* value = std::get_if<T>(&*decoded.resource)) return std::move(*value);
  }
  return std::unexpected(std::move(decoded.diagnostics));
}

/// With apiVersion and kind; fields that have their default value are left out.
base::Json encode(const Resource& resource);

/// The paths of all fields of a kind that weft knows, with [] for list items ("spec.ports[].targetPort"), in
/// the order of the schema; empty for a kind that has no schema. `acted_on_only` leaves out those that only
/// give a warning.
std::vector<std::string> field_names(std::string_view kind, bool acted_on_only = false);

}  // namespace weft::model
