// Lines of a text.
#include <utility>

#include "yaml/parse.h"

namespace weft::yaml {

Source::Source(std::string file, std::string text) : file_(std::move(file)), text_(std::move(text)) {
  line_starts_.push_back(0);
  for (std::size_t i = 0; i < text_.size(); ++i) {
    // A carriage return alone also ends a line (YAML 1.2, 5.4).
    bool is_end = text_[i] == '\n' || (text_[i] == '\r' && (i + 1 == text_.size() || text_[i + 1] != '\n'));
    if (is_end) line_starts_.push_back(i + 1);
  }
}

std::string_view Source::line(std::uint32_t number) const {
  if (number == 0 || number > line_starts_.size()) return {};
  std::size_t begin = line_starts_[number - 1];
  std::size_t end = number < line_starts_.size() ? line_starts_[number] : text_.size();
  while (end > begin && (text_[end - 1] == '\n' || text_[end - 1] == '\r')) --end;
  return std::string_view(text_).substr(begin, end - begin);
}

base::Diagnostic Source::error(std::string_view code, base::Position position, std::string message,
                               std::string mend) const {
  // A terminal gets the beginning of a line that no one reads to its end.
  constexpr std::size_t max_shown_bytes = 400;
  std::string_view shown = line(position.line);
  std::size_t end = std::min(shown.size(), max_shown_bytes);
  while (end < shown.size() && end > 0 && (static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) --end;
  return base::Diagnostic{.code = std::string(code),
                          .severity = base::Severity::error,
                          .file = file_,
                          .position = position,
                          .field = {},
                          .message = std::move(message),
                          .mend = std::move(mend),
                          .source = std::string(shown.substr(0, end))};
}

}  // namespace weft::yaml
