// The words of a failed command.
#include "cli/failure.h"

#include <fmt/format.h>

namespace weft::cli {

std::string render(const Failure& failure, bool colour) {
  std::string text = base::render(failure.diagnostics, colour);
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  if (failure.what.empty()) return text;
  text += fmt::format("{}error:{} {}\n", colour ? "\x1b[1;31m" : "", colour ? "\x1b[0m" : "", failure.what);
  if (!failure.where.empty()) text += fmt::format("  where: {}\n", failure.where);
  if (!failure.mend.empty()) text += fmt::format("  do: {}\n", failure.mend);
  return text;
}

}  // namespace weft::cli
