// Tables and colours.
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

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
    case Colour::dim: code = "\x1b[2m"; break;
    case Colour::bold: code = "\x1b[1m"; break;
    case Colour::error: code = "\x1b[1;31m"; break;
    case Colour::warning: code = "\x1b[1;33m"; break;
  }
  return Shown::as_it_is(std::string(code) + line + "\x1b[0m");
}

std::size_t text_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

namespace {

constexpr std::string_view gap = "   ";

std::size_t width_of(const Cell& cell) { return text_width(base::printable(cell.text)); }

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

}  // namespace

Shown table(const std::vector<std::string>& header, const std::vector<Row>& rows, bool colour) {
  std::vector<std::size_t> widths(header.size());
  for (std::size_t i = 0; i < header.size(); ++i) widths[i] = text_width(header[i]);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  }
  Row head;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const bool right = !rows.empty() && i < rows.front().size() && rows.front()[i].right;
    head.push_back({header[i], Colour::bold, right});
  }
  Shown out = line_of(head, widths, colour);
  for (const auto& row : rows) out += line_of(row, widths, colour);
  return out;
}

}  // namespace weft::cli
