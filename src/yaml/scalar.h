// What a plain (unquoted) scalar means.
#pragma once

#include <string_view>

#include "yaml/node.h"

namespace weft::yaml {

/// The typed value of plain text, by the rules that parse() states.
decltype(Node::value) plain_value(std::string_view text);

/// Whether the text, written plain, is read as this very string by weft and by Kubernetes' YAML 1.1 reader.
bool is_safe_plain(std::string_view text);

}  // namespace weft::yaml
