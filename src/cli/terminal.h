// What is written for people: aligned tables, colours where they are wanted, and the terminal's size.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::cli {

/// Whether `fd` is a terminal and neither NO_COLOR nor TERM=dumb forbids colours.
bool wants_colour(int fd);
bool is_terminal(int fd);

struct TerminalSize {
  int columns = 80;
  int rows = 24;
};
/// Of the terminal on `fd`; 80 x 24 if that is unknown.
TerminalSize terminal_size(int fd);

enum class Colour { none, green, yellow, red, dim, bold };

/// `text` in that colour if `on`.
std::string paint(std::string_view text, Colour colour, bool on);

/// One cell; the width is that of the text without its colour.
struct Cell {
  std::string text;
  Colour colour = Colour::none;
  bool right = false;
};

using Row = std::vector<Cell>;

/// Columns padded to their widest cell, three blanks between them, no blanks at the end of a line. The header
/// has the alignment of the first row.
std::string table(const std::vector<std::string>& header, const std::vector<Row>& rows, bool colour);

/// Characters (code points) of a UTF-8 text.
std::size_t text_width(std::string_view text);

}  // namespace weft::cli
