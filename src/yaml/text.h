// Whether a text is one that can be parsed at all: its size, and UTF-8 without control characters.
#pragma once

#include <optional>
#include <string_view>

#include "base/diagnostic.h"
#include "yaml/parse.h"

namespace weft::yaml {

/// The first reason not to parse it; nothing if it is well.
std::optional<base::Diagnostic> check_text(const Source& source);

/// Line and column (in code points) of a byte; `offset` may be the text's end.
base::Position position_of(std::string_view text, std::size_t offset);

}  // namespace weft::yaml
