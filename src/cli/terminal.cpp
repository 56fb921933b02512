// Tables and colours.
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/width.h"

namespace weft::cli {

bool is_terminal(int fd) { return isatty(fd) == 1; }

bool wants_colour(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  if (no_colour != nullptr && *no_colour != '\0') return false;
  if (term != nullptr && std::string_view(term) == "dumb") return false;
  return is_terminal(fd);
}

TerminalSize terminal_size(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

Shown paint(std::string_view text, Colour colour, bool on) {
  const std::string line = base::printable(text);
  if (!on || colour == Colour::none || text.empty()) return line;
  std::string_view code;
  switch (colour) {
    case Colour::none: break;
    case Colour::green: code = "\x1b[32m"; break;
    case Colour::yellow: code = "\x1b[33m"; break;
    case Colour::red: code = "\x1b[31m"; break;
    case Colour::blue: code = "\x1b[34m"; break;
    case Colour::magenta: code = "\x1b[35m"; break;
    case Colour::cyan: code = "\x1b[36m"; break;
    case Colour::dim: code = "\x1b[2m"; break;
    case Colour::bold: code = "\x1b[1m"; break;
    case Colour::error: code = "\x1b[1;31m"; break;
    case Colour::warning: code = "\x1b[1;33m"; break;
  }
  return Shown::as_it_is(std::string(code) + line + "\x1b[0m");
}

namespace {

constexpr std::string_view gap = "   ";

std::size_t width_of(const Cell& cell) { return base::columns_of(base::printable(cell.text)); }

Shown line_of(const Row& row, const std::vector<std::size_t>& widths, bool colour) {
  Shown line;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) line += gap;
    const std::string padding(widths[i] - width_of(row[i]), ' ');
    if (row[i].right) line += padding;
    line += paint(row[i].text, row[i].colour, colour);
    if (!row[i].right) line += padding;
  }
  std::string text = line.text();
  text.erase(text.find_last_not_of(' ') + 1);
  return Shown::as_it_is(text + '\n');
}

std::vector<std::size_t> widths_of(const std::vector<std::string>& header, const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(header.empty() && !rows.empty() ? rows.front().size() : header.size());
  for (std::size_t i = 0; i < header.size(); ++i) widths[i] = base::columns_of(header[i]);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  }
  return widths;
}

/// A name that is cut to less says nothing.
constexpr std::size_t least_name = 8;

}  // namespace

Shown table(const std::vector<std::string>& header, const std::vector<Row>& rows, bool colour) {
  const auto widths = widths_of(header, rows);
  Row head;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const bool right = !rows.empty() && i < rows.front().size() && rows.front()[i].right;
    head.push_back({header[i], Colour::bold, right});
  }
  Shown out = header.empty() ? Shown() : line_of(head, widths, colour);
  for (const auto& row : rows) out += line_of(row, widths, colour);
  return out;
}

Shown fitted_table(const std::vector<std::string>& header, std::vector<Row> rows,
                   std::initializer_list<std::string_view> worth, std::size_t width, bool colour) {
  const auto widths = widths_of(header, rows);
  // Half of the width is enough for a long name as long as there is something else to show.
  const auto name = std::min(widths[0], std::max(least_name, width / 2));
  std::vector<bool> kept(header.size());
  std::size_t others = 0;
  for (const auto title : worth) {
    const auto at = static_cast<std::size_t>(std::ranges::find(header, title) - header.begin());
    const auto more = gap.size() + widths[at];
    kept[at] = name + others + more <= width;
    if (kept[at]) others += more;
  }
  kept[0] = true;
  const auto fitting = [&kept](const auto& row) {
    auto out = row;
    std::size_t i = 0;
    std::erase_if(out, [&](const auto&) { return !kept[i++]; });
    return out;
  };
  for (auto& row : rows) {
    row = fitting(row);
    row[0].text = base::cut_to(base::printable(row[0].text), width - std::min(others, width));
  }
  return table(fitting(header), rows, colour);
}

}  // namespace weft::cli
