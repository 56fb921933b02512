// A table of characters, and where they are searched for.
#include "yaml/lookalike.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/printable.h"

namespace weft::yaml {
namespace {

struct Character {
  char32_t first, last;
  std::string_view name;
  std::string_view meant;
};
/// Sorted; names are Unicode's, in short.
constexpr Character characters[] = {
    {0x85, 0x85, "a next-line character", ""},
    {0xA0, 0xA0, "a no-break space", " "},
    {0xAD, 0xAD, "a soft hyphen", ""},
    {0x2000, 0x200A, "a wide or narrow space", " "},
    {0x200B, 0x200B, "a zero-width space", ""},
    {0x200C, 0x200D, "a zero-width joiner", ""},
    {0x200E, 0x200F, "a direction mark", ""},
    {0x2010, 0x2015, "a typographic dash", "-"},
    {0x2018, 0x201B, "a typographic quote", "'"},
    {0x201C, 0x201F, "a typographic quote", "\""},
    {0x2028, 0x2029, "a line separator", ""},
    {0x202A, 0x202E, "a direction mark", ""},
    {0x202F, 0x202F, "a narrow no-break space", " "},
    {0x205F, 0x205F, "a mathematical space", " "},
    {0x2060, 0x2064, "a word joiner", ""},
    {0x2066, 0x2069, "a direction mark", ""},
    {0x2212, 0x2212, "a minus sign", "-"},
    {0x3000, 0x3000, "an ideographic space", " "},
    {0xFEFF, 0xFEFF, "a byte order mark", ""},
    {0xFF02, 0xFF02, "a full-width quote", "\""},
    {0xFF0C, 0xFF0C, "a full-width comma", ","},
    {0xFF0D, 0xFF0D, "a full-width hyphen", "-"},
    {0xFF1A, 0xFF1A, "a full-width colon", ":"},
};

const Character* find_character(char32_t character) {
  const auto* entry = std::ranges::lower_bound(characters, character, {}, &Character::last);
  return entry != std::end(characters) && character >= entry->first ? entry : nullptr;
}

/// Where the quoted text that begins at `at` ends, `at` itself if it does not end in this line.
std::size_t after_quotes(std::string_view line, std::size_t at) {
  const char quote = line[at];
  for (std::size_t i = at + 1; i < line.size(); ++i) {
    if (quote == '"' && line[i] == '\\') ++i;
    if (i < line.size() && line[i] == quote) return i + 1;
  }
  return at;
}

/// What of the first line of `text` one plain value or key may be. Within quotes, anything stands for itself.
std::string_view plain_token(std::string_view text) {
  text = text.substr(0, text.find_first_of("\r\n"));
  if (text.starts_with('"') || text.starts_with('\'')) return {};
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool is_before_blank = at + 1 == text.size() || text[at + 1] == ' ' || text[at + 1] == '\t';
    if (std::string_view("[]{},").contains(text[at]) || (text[at] == ':' && is_before_blank))
      return text.substr(0, at);
  }
  return text;
}

}  // namespace

std::string Lookalike::mend() const {
  if (meant.empty()) return fmt::format("Remove {} in column {}: it is not seen.", name, column);
  return fmt::format("Write {} in place of {} in column {}.",
                     meant == " " ? "a space" : fmt::format("`{}`", meant), name, column);
}

std::optional<Lookalike> find_lookalike(std::string_view line) {
  std::uint32_t column = 0;
  for (std::size_t at = 0; at < line.size();) {
    const char c = line[at];
    const bool starts_word = at == 0 || std::string_view(" \t[{,:").contains(line[at - 1]);
    if (c == '#' && starts_word) return std::nullopt;
    auto next = (c == '"' || c == '\'') && starts_word ? after_quotes(line, at) : at;
    if (next == at) next += std::max<std::size_t>(base::sequence_length(line, at), 1);
    const auto part = line.substr(at, next - at);
    const bool is_one = base::sequence_length(part, 0) == part.size();
    const char32_t character = is_one ? base::code_point(part) : 0;
    if (const Character* entry = find_character(character)) {
      return Lookalike{column + 1, part,
                       fmt::format("{} (U+{:04X})", entry->name, static_cast<std::uint32_t>(character)),
                       entry->meant};
    }
    column += static_cast<std::uint32_t>(std::ranges::count_if(
        part, [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
    at = next;
  }
  return std::nullopt;
}

std::string without_lookalikes(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto length = std::max<std::size_t>(base::sequence_length(text, at), 1);
    const auto part = text.substr(at, length);
    const bool is_one = base::sequence_length(part, 0) == part.size();
    const Character* known = find_character(is_one ? base::code_point(part) : 0);
    out += known ? known->meant : part;
    at += length;
  }
  // A space is no part of a key.
  const auto begin = out.find_first_not_of(' ');
  return begin == std::string::npos ? out : out.substr(begin, out.find_last_not_of(' ') - begin + 1);
}

base::Diagnostic blame_lookalike(const Source& source, base::Diagnostic error) {
  if (auto found = find_lookalike(plain_token(source.from(error.position)))) {
    found->column += error.position.column - 1;
    error.mend = found->mend();
    error.replacement = source.replace(found->bytes, std::string(found->meant));
  }
  return error;
}

}  // namespace weft::yaml
