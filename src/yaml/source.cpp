// Lines of a text, and what of it a node stands for.
#include <algorithm>
#include <cctype>
#include <utility>

#include "yaml/parse.h"
#include "yaml/scalar.h"

namespace weft::yaml {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::uint32_t count_characters(std::string_view text) {
  return static_cast<std::uint32_t>(std::ranges::count_if(text, [](char c) { return !is_continuation(c); }));
}

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
    if (is_continuation(line[at])) continue;
    if (seen == first) begin = at;
    if (seen == first + max_shown) end = at;
    ++seen;
  }
  std::string text(line.substr(begin, end - begin));
  if (end < line.size()) text += cut;
  if (begin == 0) return {std::move(text)};
  return {std::string(cut) + text, static_cast<std::uint32_t>(first - cut.size())};
}

/// Whether a document begins with that line (YAML 1.2.2, 9.1.2): "-----BEGIN" is text.
bool begins_document(std::string_view line) {
  return line.starts_with("---") && (line.size() == 3 || std::string_view(" \t\r\n").contains(line[3]));
}

bool has_word(std::string_view line, std::string_view word) {
  const auto is_letter = [&](std::size_t at) {
    return at < line.size() && std::isalnum(static_cast<unsigned char>(line[at])) != 0;
  };
  for (auto at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    if ((at == 0 || !is_letter(at - 1)) && !is_letter(at + word.size())) return true;
  }
  return false;
}

/// Whether a document with that line may be a Secret. What it is cannot be known of one that is not parsed,
/// so it is enough that the line has a word of one.
bool may_be_of_secret(std::string_view line) {
  const auto begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos || line[begin] == '#') return false;
  return has_word(line, "Secret") || has_word(line, "stringData") ||
         (has_word(line, "kind") && has_word(line, "secret"));
}

/// So many bytes are walked through to find a column.
constexpr std::size_t block_bytes = 256;

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Whether a document may begin in the line after this one (it follows one where it may, if `before`).
bool may_begin_after(std::string_view line, bool before) {
  const auto rest = line.substr(std::min<std::size_t>(3, line.size()));
  const auto first = rest.find_first_not_of(" \t\r");
  const bool says_no_more = first == std::string_view::npos || rest[first] == '#';
  if (line.starts_with("---") || line.starts_with("...")) return says_no_more;
  const auto begin = line.find_first_not_of(" \t\r");
  return before && (begin == std::string_view::npos || line[begin] == '#' || line[begin] == '%');
}

/// The text without the byte order marks that may stand before a document.
std::string without_marks(std::string text) {
  if (!text.contains(byte_order_mark)) return text;
  std::string out;
  out.reserve(text.size());
  bool may_begin = true;
  for (std::string_view rest = text; !rest.empty();) {
    const auto end = rest.find('\n');
    auto line = rest.substr(0, end == std::string_view::npos ? end : end + 1);
    rest.remove_prefix(line.size());
    auto bare = line;
    while (bare.starts_with(byte_order_mark)) bare.remove_prefix(byte_order_mark.size());
    if (may_begin || begins_document(bare)) line = bare;
    may_begin = may_begin_after(line.substr(0, line.find('\n')), may_begin);
    out += line;
  }
  return out;
}

}  // namespace

Source::Source(std::string file, std::string text)
    : file_(std::move(file)), text_(without_marks(std::move(text))) {
  line_starts_.push_back(0);
  for (std::size_t i = 0; i < text_.size(); ++i) {
    // A carriage return alone also ends a line (YAML 1.2, 5.4).
    bool is_end = text_[i] == '\n' || (text_[i] == '\r' && (i + 1 == text_.size() || text_[i + 1] != '\n'));
    if (is_end) line_starts_.push_back(i + 1);
  }
  characters_before_.push_back(0);
  for (std::size_t at = block_bytes; at <= text_.size(); at += block_bytes)
    characters_before_.push_back(characters_before_.back() + count_characters(std::string_view(text_).substr(
                                                                 at - block_bytes, block_bytes)));
  find_secrets();
}

/// By its text, for what cannot be parsed is shown too.
void Source::find_secrets() {
  // Most texts have no word of one.
  if (!text_.contains("Secret") && !text_.contains("secret") && !text_.contains("stringData")) return;
  std::uint32_t first = 1;
  bool is_secret = false;
  for (std::uint32_t number = 1; number <= line_count() + 1; ++number) {
    const auto text = line(number);
    if (number > line_count() || begins_document(text)) {
      if (is_secret) secrets_.emplace_back(first, number - 1);
      first = number;
      is_secret = false;
    }
    is_secret = is_secret || may_be_of_secret(text);
  }
}

std::string_view Source::line(std::uint32_t number) const {
  if (number == 0 || number > line_starts_.size()) return {};
  std::size_t begin = line_starts_[number - 1];
  std::size_t end = number < line_starts_.size() ? line_starts_[number] : text_.size();
  while (end > begin && (text_[end - 1] == '\n' || text_[end - 1] == '\r')) --end;
  return std::string_view(text_).substr(begin, end - begin);
}

bool Source::is_secret(std::uint32_t line) const {
  return std::ranges::any_of(secrets_,
                             [&](const auto& lines) { return lines.first <= line && line <= lines.second; });
}

base::Diagnostic Source::error(std::string_view code, base::Position position, std::string message,
                               std::string mend) const {
  const Excerpt excerpt =
      is_secret(position.line) ? Excerpt{} : excerpt_of(line(position.line), position.column);
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

std::uint32_t Source::characters_before(std::size_t offset) const {
  const auto block = offset / block_bytes;
  const auto begin = block * block_bytes;
  return characters_before_[block] + count_characters(std::string_view(text_).substr(begin, offset - begin));
}

std::size_t Source::offset_of(base::Position position) const {
  if (position.line == 0 || position.line > line_starts_.size()) return text_.size();
  const auto wanted = characters_before(line_starts_[position.line - 1]) + std::max(position.column, 1U) - 1;
  const auto next = std::ranges::upper_bound(characters_before_, wanted);
  const auto block = static_cast<std::size_t>(next - characters_before_.begin() - 1);
  auto seen = characters_before_[block];
  for (std::size_t at = block * block_bytes; at < text_.size(); ++at) {
    if (is_continuation(text_[at])) continue;
    if (seen == wanted) return at;
    ++seen;
  }
  return text_.size();
}

base::Position Source::position_of(std::size_t offset) const {
  const auto line = std::ranges::upper_bound(line_starts_, offset) - line_starts_.begin();
  const auto begin = line_starts_[static_cast<std::size_t>(line - 1)];
  return {static_cast<std::uint32_t>(line), characters_before(offset) - characters_before(begin) + 1};
}

base::Replacement Source::replace(std::string_view part, std::string text) const {
  const auto begin = static_cast<std::size_t>(part.data() - text_.data());
  return {position_of(begin), position_of(begin + part.size()), std::move(text)};
}

std::optional<std::string_view> Source::written(const Node& value) const {
  if (value.position.line == 0) return std::nullopt;
  const auto begin = offset_of(value.position);
  const auto end = end_of(value);
  if (!end) return std::nullopt;
  return std::string_view(text_).substr(begin, *end - begin);
}

std::optional<std::size_t> Source::end_of(const Node& value) const {
  const auto begin = offset_of(value.position);
  if (begin >= text_.size()) return std::nullopt;
  return value.is_map() || value.is_list() ? end_of_collection(value, begin) : end_of_scalar(value, begin);
}

std::optional<std::size_t> Source::end_of_scalar(const Node& value, std::size_t begin) const {
  const auto rest = std::string_view(text_).substr(begin);
  if (rest[0] == '"' || rest[0] == '\'') {
    for (std::size_t i = 1; i < rest.size() && rest[i] != '\n'; ++i) {
      if (rest[0] == '"' && rest[i] == '\\')
        ++i;
      else if (rest[i] == rest[0] && rest[0] == '\'' && rest.substr(i + 1).starts_with('\''))
        ++i;
      else if (rest[i] == rest[0])
        return begin + i + 1;
    }
    return std::nullopt;
  }
  // A text in a block, or over several lines, is not its value as it stands.
  if (const auto* text = value.string())
    return !text->empty() && rest.starts_with(*text) ? std::optional(begin + text->size()) : std::nullopt;
  const auto end = std::min(rest.find_first_of(" \t\r\n,[]{}"), rest.size());
  const bool is_it = end > 0 && to_json({plain_value(rest.substr(0, end)), {}}) == to_json(value);
  return is_it ? std::optional(begin + end) : std::nullopt;
}

std::optional<std::size_t> Source::end_of_collection(const Node& value, std::size_t begin) const {
  std::size_t end = begin;
  const auto take = [&](const Node& child) {
    const auto after = offset_of(child.position) >= end ? end_of(child) : std::nullopt;
    if (after) end = *after;
    return after.has_value();
  };
  const char open = text_[begin];
  const bool is_flow = open == '[' || open == '{';
  if (is_flow) ++end;
  if (const List* list = value.list()) {
    if (!std::ranges::all_of(*list, take)) return std::nullopt;
  } else {
    if (!std::ranges::all_of(*value.map(), take, &Entry::value)) return std::nullopt;
  }
  if (!is_flow) return end > begin ? std::optional(end) : std::nullopt;
  while (end < text_.size() && (std::string_view(" \t\r\n,").contains(text_[end]) || text_[end] == '#'))
    end = text_[end] == '#' ? std::min(text_.find('\n', end), text_.size()) : end + 1;
  if (end >= text_.size() || text_[end] != (open == '[' ? ']' : '}')) return std::nullopt;
  return end + 1;
}

}  // namespace weft::yaml
