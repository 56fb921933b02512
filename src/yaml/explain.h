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

/// An error of a document that may be a Secret says nothing that stands in it: what it quotes, in backquotes,
/// may be of a value. `fault` is where the parser stumbled; what is shown may be beside it.
base::Diagnostic without_secret(const Source& source, base::Position fault, base::Diagnostic error);

}  // namespace weft::yaml
