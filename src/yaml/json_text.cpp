// JSON under YAML's limits.
#include <fmt/format.h>

#include "base/printable.h"
#include "yaml/codes.h"
#include "yaml/limits.h"
#include "yaml/parse.h"
#include "yaml/text.h"

namespace weft::yaml {
namespace {

base::Diagnostic wrong(std::string_view code, base::Position position, std::string_view message,
                       std::string mend) {
  base::Diagnostic diagnostic;
  diagnostic.code = code;
  diagnostic.position = position;
  // The JSON reader's messages quote what they have read.
  diagnostic.message = base::shortened(message, base::max_diagnostic_text);
  diagnostic.mend = std::move(mend);
  return diagnostic;
}

/// The offset of the first bracket that opens deeper than max_depth, npos if there is none.
std::size_t find_too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_depth) return i;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return std::string_view::npos;
}

}  // namespace

std::expected<base::Json, base::Diagnostic> parse_json(std::string_view text) {
  if (text.size() > max_text_bytes) {
    return std::unexpected(
        wrong(code::too_large, {},
              fmt::format("the text has {} bytes; at most {} are read", text.size(), max_text_bytes),
              "Send it in parts."));
  }
  if (std::size_t at = find_too_deep(text); at != std::string_view::npos) {
    return std::unexpected(wrong(code::too_deep, position_of(text, at),
                                 fmt::format("the document is more than {} levels deep", max_depth),
                                 "Make it flatter."));
  }
  try {
    return base::Json::parse(text);
  } catch (const base::Json::parse_error& error) {
    std::size_t offset = error.byte > 0 ? error.byte - 1 : 0;
    std::string_view what = error.what();
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ..."
    if (std::size_t colon = what.find(": "); colon != std::string_view::npos) what.remove_prefix(colon + 2);
    return std::unexpected(
        wrong(code::json_syntax, position_of(text, offset), what, "Send well-formed JSON."));
  } catch (const base::Json::exception& error) {
    return std::unexpected(wrong(code::json_syntax, {}, error.what(), "Send well-formed JSON."));
  }
}

}  // namespace weft::yaml
