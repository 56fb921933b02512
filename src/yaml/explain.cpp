#include "yaml/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/counted.h"
#include "yaml/codes.h"
#include "yaml/lookalike.h"

namespace weft::yaml {
namespace {

/// A line by its parts: indentation, dashes of list items, a key, what follows its colon. Columns count from
/// 1; a tab or a quoted key makes it no key line.
struct Line {
  std::uint32_t number = 0;
  std::string_view text;
  std::uint32_t column = 1;      // of the first character that is no space
  std::uint32_t key_column = 0;  // of the key, 0 if there is none
  std::string_view key;
  std::string_view value;  // after the colon, or after the dashes
  bool is_item = false;
  bool is_blank = false;  // also one of a comment alone
};

std::string_view trim(std::string_view text) {
  std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::uint32_t code_points(std::string_view text) {
  return static_cast<std::uint32_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

Line read_line(const Source& source, std::uint32_t number) {
  Line line{.number = number, .text = source.line(number)};
  std::size_t at = std::min(line.text.find_first_not_of(' '), line.text.size());
  line.column = static_cast<std::uint32_t>(at) + 1;
  line.is_blank = at == line.text.size() || line.text[at] == '#';
  if (line.is_blank) return line;
  while (line.text.substr(at).starts_with("- ") || line.text.substr(at) == "-") {
    line.is_item = true;
    at = std::min(line.text.find_first_not_of(' ', at + 1), line.text.size());
  }
  std::string_view rest = line.text.substr(at);
  std::size_t colon = rest.find(": ");
  if (colon == std::string_view::npos && rest.ends_with(':')) colon = rest.size() - 1;
  bool has_key = colon != std::string_view::npos && colon > 0 &&
                 std::string_view("\"'[{#&*!|>\t").find(rest[0]) == std::string_view::npos;
  if (has_key) {
    line.key = trim(rest.substr(0, colon));
    line.key_column = static_cast<std::uint32_t>(at) + 1;
    line.value = trim(rest.substr(colon + 1));
  } else {
    line.value = trim(rest);
  }
  if (std::size_t comment = line.value.find(" #"); comment != std::string_view::npos)
    line.value = trim(line.value.substr(0, comment));
  if (line.value.starts_with('#')) line.value = {};
  return line;
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string spaces(std::uint32_t count) { return base::counted(count, "space"); }

/// "remove 2 spaces" or "add 1 space": from column `from` to column `to`.
std::string move_by(std::uint32_t from, std::uint32_t to) {
  return from > to ? "remove " + spaces(from - to) : "add " + spaces(to - from);
}

/// The same as a change: what begins at `from` then begins in column `to`.
base::Replacement moved(base::Position from, std::uint32_t to) {
  if (from.column < to) return {from, from, std::string(to - from.column, ' ')};
  return {{from.line, to}, from, {}};
}

/// A tab in the indentation of one of these lines.
std::optional<base::Diagnostic> explain_indent_tab(const Source& source, std::uint32_t first,
                                                   std::uint32_t last) {
  for (std::uint32_t number = first; number <= std::min(last, source.line_count()); ++number) {
    std::string_view text = source.line(number);
    std::size_t end = std::min(text.find_first_not_of(" \t"), text.size());
    if (std::size_t tab = text.substr(0, end).find('\t'); tab != std::string_view::npos) {
      return source.error(code::tab, {number, static_cast<std::uint32_t>(tab) + 1},
                          "a tab in the indentation: YAML indents with spaces only",
                          "Replace the tab with spaces, as many as the lines beside it have.");
    }
  }
  return std::nullopt;
}

base::Diagnostic explain_tab(const Source& source, const SyntaxError& error) {
  if (auto found = explain_indent_tab(source, error.position.line, source.line_count())) return *found;
  return source.error(code::tab, error.position, "a tab where YAML wants spaces",
                      "Replace the tab with spaces.");
}

base::Diagnostic explain_quote(const Source& source, const SyntaxError& error) {
  base::Position at = error.position;
  std::string_view text = source.line(at.line);
  auto is_quote = [&](std::uint32_t column) {
    return column >= 1 && column <= text.size() && (text[column - 1] == '"' || text[column - 1] == '\'');
  };
  if (!is_quote(at.column) && is_quote(at.column - 1)) --at.column;
  std::string quote = has(error.message, "double") ? "\"" : "'";
  return source.error(code::unclosed_quote, at,
                      fmt::format("the quote {} that opens here is not closed", quote),
                      fmt::format("Add the closing {} at the end of the value.", quote));
}

base::Diagnostic explain_after_quote(const Source& source, const SyntaxError& error) {
  bool is_single = has(error.message, "single");
  return source.error(code::unclosed_quote, error.position, "the quotes close before the value ends",
                      is_single
                          ? "Inside single quotes write '' for a quote, or quote the whole value with \"."
                          : "Inside double quotes write \\\" for a quote, or quote the whole value with '.");
}

base::Diagnostic explain_bracket(const Source& source, base::Position open) {
  char bracket = source.line(open.line)
                         .substr(std::min<std::size_t>(open.column - 1, source.line(open.line).size()))
                         .starts_with('{')
                     ? '{'
                     : '[';
  return source.error(code::unbalanced_bracket, open,
                      fmt::format("the {} that opens here is not closed", bracket),
                      fmt::format("Add the closing {}.", bracket == '{' ? '}' : ']'));
}

/// The first line after `number` that is not blank; its number is 0 if there is none.
Line next_line(const Source& source, std::uint32_t number) {
  for (std::uint32_t i = number + 1; i <= source.line_count(); ++i)
    if (Line line = read_line(source, i); !line.is_blank) return line;
  return {};
}

/// `key: value` and below it a deeper `other:`. YAML takes the second line for more of the first one's value.
base::Diagnostic deeper_than(const Source& source, const Line& above, const Line& below) {
  base::Position at{below.number, below.column};
  std::string move = move_by(below.column, above.key_column);
  auto error = source.error(
      code::bad_indent, at,
      fmt::format("`{}:` is indented deeper than `{}:` in line {}, which already has the value `{}`",
                  below.key, above.key, above.number, above.value),
      fmt::format("Line up `{0}:` with `{1}:` in line {2}, column {3}: {4} (and move what belongs to `{0}:` "
                  "with it).",
                  below.key, above.key, above.number, above.key_column, move));
  error.replacement = moved(at, above.key_column);
  return error;
}

/// A plain value over several lines of which a later one has a colon.
base::Diagnostic explain_multiline(const Source& source, const SyntaxError& error) {
  Line above = read_line(source, error.position.line);
  Line below = next_line(source, above.number);
  while (below.number != 0 && below.key.empty()) below = next_line(source, below.number);
  if (below.number == 0)
    return source.error(code::syntax, error.position, std::string(error.message), "Put the value in quotes.");
  if (above.key_column != 0 && !above.value.empty()) return deeper_than(source, above, below);

  std::size_t colon = above.value.find(':');
  if (colon != std::string_view::npos && colon > 0 && !has(above.value, "://")) {
    std::uint32_t column = above.column + code_points(above.text.substr(
                                              above.column - 1, above.text.find(':') - (above.column - 1)));
    auto found = source.error(
        code::syntax, {above.number, column}, "no space after the colon",
        fmt::format("Write `{}: {}`.", above.value.substr(0, colon), trim(above.value.substr(colon + 1))));
    const base::Position after{above.number, column + 1};
    found.replacement = {after, after, " "};
    return found;
  }
  if (above.is_item && below.column > above.column) {
    return source.error(
        code::bad_indent, {below.number, below.column},
        fmt::format("`{}:` cannot stand below the list item `{}` in line {}, which is a value already",
                    below.key, above.value, above.number),
        fmt::format("Give the item a key (`- name: {}`), or take `{}:` out of the list.", above.value,
                    below.key));
  }
  return source.error(code::syntax, {above.number, above.column},
                      fmt::format("`{}` is no `key: value`", above.value),
                      fmt::format("Write `{}: ` and its value, or join it to the line above.", above.value));
}

/// The blocks that are open above a line, outermost first: each a line that the next one could line up with.
std::vector<Line> open_blocks(const Source& source, std::uint32_t number) {
  std::vector<Line> blocks;
  std::uint32_t narrowest = UINT32_MAX;
  for (std::uint32_t i = number - 1; i > 0 && narrowest > 1; --i) {
    if (source.line(i).starts_with("---")) break;
    Line line = read_line(source, i);
    if (line.is_blank) continue;
    if (line.key_column != 0 && line.key_column < narrowest) {
      narrowest = line.key_column;
      blocks.push_back(line);
    }
    if (line.is_item && line.column < narrowest) {
      narrowest = line.column;
      line.key = {};
      blocks.push_back(line);
    }
  }
  std::ranges::reverse(blocks);
  return blocks;
}

std::string describe_block(const Line& block) {
  return block.key.empty() ? fmt::format("the `-` in line {}", block.number)
                           : fmt::format("`{}:` in line {}", block.key, block.number);
}

base::Diagnostic explain_indent(const Source& source, const SyntaxError& error) {
  Line line = read_line(source, error.position.line);
  while (line.is_blank && line.number < source.line_count()) line = read_line(source, line.number + 1);
  base::Position at{line.number, line.column};
  std::string own = line.is_item       ? "this list item"
                    : line.key.empty() ? "this line"
                                       : fmt::format("`{}:`", line.key);
  if (!line.is_item && line.key.empty()) {
    return source.error(code::syntax, at, "this line is neither `key: value` nor `- item`",
                        "Give it a key with a colon, or a dash and a space.");
  }
  std::vector<Line> blocks = open_blocks(source, line.number);
  const Line* wider = nullptr;
  const Line* narrower = nullptr;
  for (const Line& block : blocks) {
    std::uint32_t column = block.key.empty() ? block.column : block.key_column;
    // Only a list item lines up with a dash, only a key with a key.
    if (block.key.empty() != line.is_item) continue;
    if (column < line.column) narrower = &block;
    if (column > line.column && !wider) wider = &block;
  }
  auto choice = [&](const Line& block) {
    std::uint32_t column = block.key.empty() ? block.column : block.key_column;
    return fmt::format("with {}, column {} ({})", describe_block(block), column,
                       move_by(line.column, column));
  };
  std::string mend =
      line.is_item
          ? "A list item cannot stand among keys: indent it below the key of its list."
          : "A key cannot stand among list items: indent it into an item, or put the list below a key.";
  if (narrower && wider)
    mend = fmt::format("Line it up {}, or {}.", choice(*wider), choice(*narrower));
  else if (wider || narrower)
    mend = fmt::format("Line it up {}.", choice(wider ? *wider : *narrower));
  auto found = source.error(
      code::bad_indent, at,
      fmt::format("the indentation of {} ({}) fits no block above it", own, spaces(line.column - 1)),
      std::move(mend));
  if ((wider != nullptr) != (narrower != nullptr)) {
    const Line& block = wider ? *wider : *narrower;
    found.replacement = moved(at, block.key.empty() ? block.column : block.key_column);
  }
  return found;
}

base::Diagnostic explain_two_colons(const Source& source, const SyntaxError& error) {
  return source.error(code::syntax, error.position, "a second `: ` in one line",
                      "Put the value in quotes if the colon belongs to it; else start a new line.");
}

}  // namespace

namespace {

base::Diagnostic explain_words(const Source& source, const SyntaxError& error) {
  std::string_view what = error.message;
  if (has(what, "tab ") || has(what, " tab")) return explain_tab(source, error);
  if (has(what, "closing quote") || has(what, "quoted scalar in flow") ||
      (has(what, "wrongly indented") && has(what, "quoted")))
    return explain_quote(source, error);
  if (has(what, "trailing content after") && has(what, "quoted")) return explain_after_quote(source, error);
  if (has(what, "extra closing")) {
    return source.error(code::unbalanced_bracket, error.position, "this bracket closes nothing",
                        "Remove it, or open one before.");
  }
  if (error.open_bracket && (has(what, "closing br") || has(what, "flow"))) {
    bool is_same_line = has(what, "missing comma") && error.open_bracket->line == error.position.line;
    if (is_same_line)
      return source.error(code::syntax, error.position, "no comma between two entries",
                          "Put a comma before it.");
    return explain_bracket(source, *error.open_bracket);
  }
  if (has(what, "multiline plain key") || has(what, "mapping in plain multiline")) {
    const auto below = next_line(source, error.position.line).number;
    if (auto tab = explain_indent_tab(source, error.position.line, below)) return *tab;
    return explain_multiline(source, error);
  }
  if (has(what, "indent") || has(what, "indendation") || has(what, "invalid value after mapping") ||
      has(what, "did not find expected") || has(what, "at the end of block sequence"))
    return explain_indent(source, error);
  if (has(what, "same line as")) {
    return source.error(code::syntax, error.position, "a list cannot begin in the line of its key",
                        "Start the list in the next line.");
  }
  if (has(what, "nested block mapping")) return explain_two_colons(source, error);
  if (has(what, "cannot start with")) {
    std::string_view value = source.line(error.position.line);
    value.remove_prefix(std::min<std::size_t>(error.position.column - 1, value.size()));
    return source.error(code::syntax, error.position,
                        fmt::format("an unquoted value cannot begin with {}", value.substr(0, 1)),
                        "Put the value in quotes.");
  }
  if (has(what, "escape")) {
    return source.error(code::syntax, error.position, std::string(what),
                        "Write \\\\ for a backslash, or use single quotes.");
  }
  return source.error(code::syntax, error.position, std::string(what),
                      "Check the quotes, brackets, colons and indentation here.");
}

}  // namespace

base::Diagnostic without_secret(const Source& source, base::Position fault, base::Diagnostic error) {
  const bool is_secret = source.is_secret(fault.line) || source.is_secret(error.position.line);
  if (!is_secret || !(has(error.message, "`") || has(error.mend, "`"))) return error;
  error.message = "what stands here makes no sense (it may be of a Secret, and is not shown)";
  error.mend = "Check its quotes, its colon and its indentation.";
  return error;
}

base::Diagnostic explain(const Source& source, const SyntaxError& error) {
  auto explained = without_secret(source, error.position, explain_words(source, error));
  // The parser stumbles where it is, or in a line beside it.
  const auto line = explained.position.line;
  for (const auto number : {line, line - 1, line + 1}) {
    const auto found = find_lookalike(source.line(number));
    if (!found) continue;
    return blame_lookalike(
        source, source.error(code::syntax, {number, found->column},
                             fmt::format("{} here means nothing to YAML but itself", found->name), {}));
  }
  return explained;
}

}  // namespace weft::yaml
