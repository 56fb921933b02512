#include "yaml/text.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/printable.h"
#include "yaml/codes.h"
#include "yaml/limits.h"

namespace weft::yaml {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

base::Diagnostic without_line(base::Diagnostic diagnostic) {
  diagnostic.source.clear();  // it is not fit for a terminal
  return diagnostic;
}

/// Whether the character at `at` of the text ends a line; of CR LF the LF does (YAML 1.2, 5.4).
bool ends_line(std::string_view text, std::size_t at) {
  return text[at] == '\n' || (text[at] == '\r' && (at + 1 >= text.size() || text[at + 1] != '\n'));
}

/// The lines of a JSON text, each broken behind the first comma after so many bytes.
Wrapped broken(std::string_view json) {
  constexpr std::size_t line_bytes = 64 * 1024;  // much less than max_line_bytes, for some values are long
  Wrapped wrapped;
  wrapped.text.reserve(json.size() + json.size() / line_bytes + 1);
  base::Position at{1, 1};
  wrapped.starts.push_back(at);
  std::size_t begin = 0;
  bool in_string = false;
  bool is_escaped = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    wrapped.text += c;
    if (!is_continuation(c)) ++at.column;
    const bool is_end = ends_line(json, i);
    if (is_end) at = {at.line + 1, 1};
    if (!is_escaped && c == '"') in_string = !in_string;
    is_escaped = in_string && !is_escaped && c == '\\';
    const bool is_broken = c == ',' && !in_string && i - begin >= line_bytes;
    if (is_broken) wrapped.text += '\n';
    if (!is_end && !is_broken) continue;
    begin = i + 1;
    wrapped.starts.push_back(at);
  }
  return wrapped;
}

/// The number of the first line that the parser cannot hold; 0 if there is none.
std::uint32_t find_long_line(const Source& source) {
  for (std::uint32_t number = 1; number <= source.line_count(); ++number) {
    if (source.line(number).size() > max_line_bytes) return number;
  }
  return 0;
}

}  // namespace

base::Position position_of(std::string_view text, std::size_t offset) {
  base::Position position{1, 1};
  for (std::size_t i = 0; i < offset && i < text.size(); ++i) {
    if (ends_line(text, i)) {
      position = {position.line + 1, 1};
    } else if (!is_continuation(text[i]) && text[i] != '\r') {
      ++position.column;
    }
  }
  return position;
}

base::Position Wrapped::in_source(base::Position position) const {
  if (position.line == 0 || position.line > starts.size()) return position;
  const auto& start = starts[position.line - 1];
  return {start.line, start.column + position.column - 1};
}

std::expected<Wrapped, base::Diagnostic> wrap(const Source& source) {
  const auto number = find_long_line(source);
  if (number == 0) return Wrapped{};
  if (base::Json::accept(source.text())) {
    auto wrapped = broken(source.text());
    if (find_long_line(Source({}, wrapped.text)) == 0) return wrapped;
  }
  return std::unexpected(source.error(code::too_large, {number, 1},
                                      fmt::format("the line has {} bytes; at most {} (1 MiB) are read",
                                                  source.line(number).size(), max_line_bytes),
                                      "Break the line into several."));
}

std::optional<base::Diagnostic> check_text(const Source& source) {
  std::string_view text = source.text();
  if (text.size() > max_text_bytes) {
    return without_line(source.error(
        code::too_large, {},
        fmt::format("the text has more than {} bytes ({} MiB)", max_text_bytes, max_text_bytes >> 20),
        "Split it into several files."));
  }
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    return without_line(
        source.error(code::invalid_utf8, {1, 1}, "the text is UTF-16, not UTF-8", "Save it as UTF-8."));
  }
  if (std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return without_line(source.error(code::binary, position_of(text, nul),
                                     "the text has a NUL byte: it is not a text file",
                                     "Give the YAML file itself, not a program, an archive or an image."));
  }
  std::size_t open = 0;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t length = base::sequence_length(text, at);
    auto first = static_cast<unsigned char>(text[at]);
    if (length == 0) {
      return without_line(source.error(code::invalid_utf8, position_of(text, at),
                                       fmt::format("byte 0x{:02X} is not UTF-8 here", first),
                                       "Save the text as UTF-8."));
    }
    bool is_control = (first < 0x20 && first != '\t' && first != '\n' && first != '\r') || first == 0x7F;
    if (is_control) {
      return without_line(
          source.error(code::binary, position_of(text, at), fmt::format("control character U+{:04X}", first),
                       fmt::format("Remove it, or write \"\\x{:02X}\" in double quotes.", first)));
    }
    if (first == '[' || first == '{') ++open;
    if ((first == ']' || first == '}') && open > 0) --open;
    if (open > max_open_brackets) {
      return source.error(code::too_deep, position_of(text, at),
                          fmt::format("more than {} brackets are open here", max_open_brackets),
                          "Close them, or flatten the resource.");
    }
    at += length;
  }
  return {};
}

}  // namespace weft::yaml
