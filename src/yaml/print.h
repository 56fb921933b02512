// Documents to text.
#pragma once

#include <string>

#include "base/json.h"
#include "yaml/node.h"

namespace weft::yaml {

/// Block-style YAML that parse() reads back as the same document: two spaces for each level, lists not
/// indented below their key, strings quoted only where they would not read back as themselves. Ends with a
/// newline.
std::string print(const base::Json& document);
/// The same, with the map order kept.
std::string print(const Node& document);

}  // namespace weft::yaml
