// Lines of a text.
#include <algorithm>
#include <utility>

#include "yaml/parse.h"

namespace weft::yaml {
namespace {

/// The part of a line that is shown, and how many columns it begins after the line.
struct Excerpt {
  std::string text;
  std::uint32_t begin = 0;
};

/// A line that no one reads to its end is cut to what stands around a column of it.
Excerpt excerpt_of(std::string_view line, std::uint32_t column) {
  constexpr std::size_t max_shown = 400;  // characters: some lines of a terminal
  constexpr std::string_view cut = "...";
  if (line.size() <= max_shown) return {std::string(line)};
  const std::size_t first = column > max_shown / 2 ? column - max_shown / 2 : 0;
  std::size_t begin = line.size();
  std::size_t end = line.size();
  for (std::size_t at = 0, seen = 0; at < line.size() && end == line.size(); ++at) {
    if ((static_cast<unsigned char>(line[at]) & 0xC0) == 0x80) continue;
    if (seen == first) begin = at;
    if (seen == first + max_shown) end = at;
    ++seen;
  }
  std::string text(line.substr(begin, end - begin));
  if (end < line.size()) text += cut;
  if (begin == 0) return {std::move(text)};
  return {std::string(cut) + text, static_cast<std::uint32_t>(first - cut.size())};
}

}  // namespace

Source::Source(std::string file, std::string text) : file_(std::move(file)), text_(std::move(text)) {
  line_starts_.push_back(0);
  for (std::size_t i = 0; i < text_.size(); ++i) {
    // A carriage return alone also ends a line (YAML 1.2, 5.4).
    bool is_end = text_[i] == '\n' || (text_[i] == '\r' && (i + 1 == text_.size() || text_[i + 1] != '\n'));
    if (is_end) line_starts_.push_back(i + 1);
  }
  find_secrets();
}

/// By its text, for what cannot be parsed is shown too.
void Source::find_secrets() {
  if (!text_.contains("Secret")) return;
  std::uint32_t first = 1;
  bool is_secret = false;
  for (std::uint32_t number = 1; number <= line_count() + 1; ++number) {
    const auto text = line(number);
    if (number > line_count() || text.starts_with("---")) {
      if (is_secret) secrets_.emplace_back(first, number - 1);
      first = number;
      is_secret = false;
    }
    is_secret = is_secret || (text.contains("kind") && text.contains("Secret"));
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
  const bool is_hidden = std::ranges::any_of(secrets_, [&](const auto& lines) {
    return lines.first <= position.line && position.line <= lines.second;
  });
  const Excerpt excerpt = is_hidden ? Excerpt{} : excerpt_of(line(position.line), position.column);
  return base::Diagnostic{.code = std::string(code),
                          .severity = base::Severity::error,
                          .file = file_,
                          .position = position,
                          .field = {},
                          .message = std::move(message),
                          .mend = std::move(mend),
                          .source = excerpt.text,
                          .source_begin = excerpt.begin};
}

}  // namespace weft::yaml
