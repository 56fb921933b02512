// A parser's complaint turned into what its user did wrong and how to mend it.
#pragma once

#include <optional>
#include <string_view>

#include "base/diagnostic.h"
#include "yaml/parse.h"

namespace weft::yaml {

struct SyntaxError {
  /// libfyaml's words.
  std::string_view message;
  base::Position position;
  /// The innermost [ or { that is open there.
  std::optional<base::Position> open_bracket;
};

base::Diagnostic explain(const Source& source, const SyntaxError& error);

}  // namespace weft::yaml
