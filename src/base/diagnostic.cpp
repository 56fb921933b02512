#include "base/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"

namespace weft::base {
namespace {

struct Colours {
  std::string_view bold, error, warning, mend, off;
};
constexpr Colours plain{"", "", "", "", ""};
constexpr Colours ansi{"\033[1m", "\033[1;31m", "\033[1;33m", "\033[36m", "\033[0m"};

std::string_view word(Severity severity) {
  switch (severity) {
    case Severity::error: return "error";
    case Severity::warning: return "warning";
  }
  return {};
}

std::string place(const Diagnostic& diagnostic) {
  std::string text = diagnostic.file;
  if (diagnostic.position.line != 0) {
    text +=
        fmt::format("{}{}:{}", text.empty() ? "" : ":", diagnostic.position.line, diagnostic.position.column);
  }
  return text;
}

/// The caret's line: tabs stay tabs, so that it stands below the character in any terminal.
std::string caret_line(std::string_view source, std::uint32_t column) {
  std::string text;
  std::uint32_t at = 1;
  for (const char c : source) {
    if (at >= column) break;
    const bool continuation = (static_cast<unsigned char>(c) & 0xc0) == 0x80;
    if (continuation) continue;
    text += c == '\t' ? '\t' : ' ';
    ++at;
  }
  return text + "^";
}

}  // namespace

bool has_errors(const Diagnostics& diagnostics) {
  return std::ranges::any_of(diagnostics, [](const Diagnostic& d) { return d.severity == Severity::error; });
}

std::string render(const Diagnostic& diagnostic, bool colour) {
  const Colours& c = colour ? ansi : plain;
  const auto where = place(diagnostic);
  const auto severity_colour = diagnostic.severity == Severity::error ? c.error : c.warning;
  auto text =
      fmt::format("{}{}{}{}{}{}:{} {} [{}]\n", c.bold, where, where.empty() ? "" : ": ", c.off,
                  severity_colour, word(diagnostic.severity), c.off, diagnostic.message, diagnostic.code);
  if (diagnostic.position.line != 0 && !diagnostic.source.empty()) {
    const auto number = fmt::format("{:>5}", diagnostic.position.line);
    text += fmt::format("{} | {}\n", number, diagnostic.source);
    text += fmt::format("{:>5} | {}{}{}\n", "", severity_colour,
                        caret_line(diagnostic.source, diagnostic.position.column), c.off);
  } else if (!diagnostic.field.empty()) {
    text += fmt::format("      at {}\n", diagnostic.field);
  }
  if (!diagnostic.mend.empty()) text += fmt::format("      {}= {}{}\n", c.mend, diagnostic.mend, c.off);
  return text;
}

std::string render(const Diagnostics& diagnostics, bool colour) {
  std::vector<const Diagnostic*> sorted;
  sorted.reserve(diagnostics.size());
  for (const auto& diagnostic : diagnostics) sorted.push_back(&diagnostic);
  // All lie in one vector, so that their addresses keep the given order among equals.
  std::ranges::sort(sorted, [](const Diagnostic* a, const Diagnostic* b) {
    return std::tie(a->file, a->position.line, a->position.column, a) <
           std::tie(b->file, b->position.line, b->position.column, b);
  });
  std::string text;
  for (const auto* diagnostic : sorted) text += render(*diagnostic, colour);
  return text;
}

Json to_json(const Diagnostic& diagnostic) {
  return Json{{"code", diagnostic.code},
              {"severity", word(diagnostic.severity)},
              {"file", diagnostic.file},
              {"line", diagnostic.position.line},
              {"column", diagnostic.position.column},
              {"field", diagnostic.field},
              {"message", diagnostic.message},
              {"mend", diagnostic.mend}};
}

}  // namespace weft::base
