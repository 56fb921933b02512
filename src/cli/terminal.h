// What is written for people: aligned tables, colours where they are wanted, and the terminal's size.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/printable.h"

namespace weft::cli {

/// Text as a person may be shown it: what is in it was escaped (base::printable) when it was put in, but for
/// the colours that weft gives itself. The only thing that reaches a terminal (print and tell, output.h;
/// Screen).
class Shown {
 public:
  Shown() = default;
  /// Any text; its line ends and tabs stay.
  template <class Text>
    requires std::convertible_to<const Text&, std::string_view>
  Shown(const Text& text) : text_(base::printable(text, base::Breaks::keep)) {}
  /// What is escaped already, with colours.
  static Shown as_it_is(std::string text) {
    Shown shown;
    shown.text_ = std::move(text);
    return shown;
  }

  Shown& operator+=(const Shown& more) {
    text_ += more.text_;
    return *this;
  }
  bool empty() const { return text_.empty(); }
  const std::string& text() const { return text_; }
  friend bool operator==(const Shown& shown, std::string_view text) { return shown.text_ == text; }

 private:
  std::string text_;
};

/// Whether `fd` is a terminal and neither NO_COLOR nor TERM=dumb forbids colours.
bool wants_colour(int fd);
bool is_terminal(int fd);

struct TerminalSize {
  int columns = 80;
  int rows = 24;
};
/// Of the terminal on `fd`; 80 x 24 if that is unknown.
TerminalSize terminal_size(int fd);

enum class Colour { none, green, yellow, red, cyan, magenta, blue, dim, bold, error, warning };

/// `text` as one line, in that colour if `on`.
Shown paint(std::string_view text, Colour colour, bool on);

/// One cell; the width is that of the text as it is shown, without its colour.
struct Cell {
  std::string text;
  Colour colour = Colour::none;
  bool right = false;
};

using Row = std::vector<Cell>;

/// Columns padded to their widest cell, three blanks between them, no blanks at the end of a line. The header
/// has the alignment of the first row; there need be none.
Shown table(const std::vector<std::string>& header, const std::vector<Row>& rows, bool colour);

/// The same within `width` columns of a terminal: of the columns that `worth` names, the most useful first,
/// those that still fit; the first of the table is always there, cut if it must be.
Shown fitted_table(const std::vector<std::string>& header, std::vector<Row> rows,
                   std::initializer_list<std::string_view> worth, std::size_t width, bool colour);

}  // namespace weft::cli
