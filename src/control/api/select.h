// Which objects of a kind a list or watch is about: namespace, labelSelector, fieldSelector.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "control/api/status.h"
#include "model/kinds.h"
#include "model/labels.h"

namespace weft::control::api {

struct FieldRequirement {
  /// The path within the object, "metadata.name".
  std::string field;
  bool equal = true;
  std::string value;
};

struct Selection {
  /// Empty: all.
  std::string ns;
  model::LabelSelector labels;
  std::vector<FieldRequirement> fields;

  bool matches(const base::Json& object) const;
};

/// From the query's parameters, empty where there is none. The error bad_request names what is malformed or
/// not supported for the kind.
Outcome<Selection> parse_selection(const model::Kind& kind, std::string ns, std::string_view label_selector,
                                   std::string_view field_selector);

}  // namespace weft::control::api
