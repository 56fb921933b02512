// One type for everything that is wrong with what a user wrote: where it is, what it is, how to mend it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"

namespace weft::base {

enum class Severity : std::uint8_t { error, warning };

/// A place in a text. Lines and columns count from 1, columns in characters (code points); 0 means unknown.
struct Position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  friend bool operator==(const Position&, const Position&) = default;
};

struct Diagnostic {
  /// Stable name such as "yaml/bad-indent"; each is explained in docs/errors.md.
  std::string code;
  Severity severity = Severity::error;
  /// The file as the user named it, "-" for standard input, empty for a request body.
  std::string file;
  Position position;
  /// The path of the field within its resource ("spec.ports[0].port"), empty if none.
  std::string field;
  std::string message;
  /// What to do, as an instruction.
  std::string mend;
  /// The line of the text at `position`, without its end; empty if unknown.
  std::string source;
};

using Diagnostics = std::vector<Diagnostic>;

bool has_errors(const Diagnostics& diagnostics);

/// For a terminal: "file:line:column: error: message [code]", the line with a caret below it, and the mend.
/// With `colour`, ANSI colours.
std::string render(const Diagnostic& diagnostic, bool colour = false);
/// Every one of them rendered, in order of file and position.
std::string render(const Diagnostics& diagnostics, bool colour = false);
Json to_json(const Diagnostic& diagnostic);

}  // namespace weft::base
