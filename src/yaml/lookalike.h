// Characters that look like those that mean something in YAML, or like none at all: word processors, web
// pages and keyboards leave them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "yaml/parse.h"

namespace weft::yaml {

struct Lookalike {
  /// In the line, in characters from 1.
  std::uint32_t column = 0;
  std::string_view bytes;
  /// "a no-break space (U+00A0)".
  std::string name;
  /// What belongs there, perhaps nothing.
  std::string_view meant;

  /// "Write a space for ...", "Remove ...".
  std::string mend() const;
};

/// The first one of a line outside of quotes and comments, where it may be meant.
std::optional<Lookalike> find_lookalike(std::string_view line);

/// The text as it is meant, with all of them replaced.
std::string without_lookalikes(std::string_view text);

/// An error about a plain value or key that holds one gets the mend of that: what it complains about comes of
/// it. One elsewhere in the line may well be text.
base::Diagnostic blame_lookalike(const Source& source, base::Diagnostic error);

}  // namespace weft::yaml
