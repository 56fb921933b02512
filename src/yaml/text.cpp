#include "yaml/text.h"

#include <fmt/format.h>

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

std::optional<base::Diagnostic> check_size(const Source& source) {
  if (source.text().size() > max_text_bytes) {
    return without_line(source.error(
        code::too_large, {},
        fmt::format("the text has more than {} bytes ({} MiB)", max_text_bytes, max_text_bytes >> 20),
        "Split it into several files."));
  }
  for (std::uint32_t number = 1; number <= source.line_count(); ++number) {
    if (source.line(number).size() <= max_line_bytes) continue;
    return source.error(code::too_large, {number, 1},
                        fmt::format("the line has {} bytes; at most {} (1 MiB) are read",
                                    source.line(number).size(), max_line_bytes),
                        "Break the line into several.");
  }
  return {};
}

}  // namespace

base::Position position_of(std::string_view text, std::size_t offset) {
  base::Position position{1, 1};
  for (std::size_t i = 0; i < offset && i < text.size(); ++i) {
    if (text[i] == '\n' || (text[i] == '\r' && (i + 1 >= text.size() || text[i + 1] != '\n'))) {
      position = {position.line + 1, 1};
    } else if (!is_continuation(text[i]) && text[i] != '\r') {
      ++position.column;
    }
  }
  return position;
}

std::optional<base::Diagnostic> check_text(const Source& source) {
  if (auto wrong = check_size(source)) return wrong;
  std::string_view text = source.text();
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
