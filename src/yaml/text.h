// Whether a text is one that can be parsed at all: its size, and UTF-8 without control characters.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "yaml/parse.h"

namespace weft::yaml {

/// The first reason not to parse it; nothing if it is well.
std::optional<base::Diagnostic> check_text(const Source& source);

/// A text as the parser gets it.
struct Wrapped {
  /// Empty: the source as it is.
  std::string text;
  /// Where in the source each of its lines begins.
  std::vector<base::Position> starts;

  /// The place in the source of one that the parser tells.
  base::Position in_source(base::Position position) const;
};
/// Breaks the lines of a JSON text that the parser cannot hold, behind commas, where the end of a line means
/// nothing. Fails with code::too_large where a line stays too long, or the text is other YAML.
std::expected<Wrapped, base::Diagnostic> wrap(const Source& source);

/// Line and column (in code points) of a byte; `offset` may be the text's end.
base::Position position_of(std::string_view text, std::size_t offset);

}  // namespace weft::yaml
