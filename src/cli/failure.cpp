// The words of a failed command.
#include "cli/failure.h"

#include <fmt/format.h>

namespace weft::cli {

std::string continued(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "         ";
  }
  return out;
}

Shown render(const Failure& failure, bool colour) {
  Shown text = Shown::as_it_is(base::render(failure.diagnostics, colour));
  if (failure.what.empty()) return text;
  text += paint("error:", Colour::error, colour);
  text += fmt::format(" {}\n", continued(failure.what));
  if (!failure.where.empty()) text += fmt::format("  where: {}\n", continued(failure.where));
  if (!failure.mend.empty()) text += fmt::format("  do: {}\n", continued(failure.mend));
  return text;
}

}  // namespace weft::cli
