#include "base/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/counted.h"
#include "base/json.h"
#include "base/printable.h"

namespace weft::base {
namespace {

struct Colours {
  std::string_view bold, error, warning, note, mend, off;
};
constexpr Colours plain{"", "", "", "", "", ""};
constexpr Colours ansi{"\033[1m", "\033[1;31m", "\033[1;33m", "\033[1;36m", "\033[36m", "\033[0m"};

std::string_view word(Severity severity) {
  switch (severity) {
    case Severity::error: return "error";
    case Severity::warning: return "warning";
    case Severity::note: return "note";
  }
  return {};
}

std::string_view colour_of(const Colours& colours, Severity severity) {
  switch (severity) {
    case Severity::error: return colours.error;
    case Severity::warning: return colours.warning;
    case Severity::note: return colours.note;
  }
  return {};
}

bool says_the_same(const Diagnostic& a, const Diagnostic& b) {
  return a.position.line != 0 && a.position == b.position && a.code == b.code && a.file == b.file &&
         a.message == b.message;
}

std::string place(const Diagnostic& diagnostic) {
  std::string text = printable(diagnostic.file);
  if (diagnostic.position.line != 0) {
    text +=
        fmt::format("{}{}:{}", text.empty() ? "" : ":", diagnostic.position.line, diagnostic.position.column);
  }
  return text;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// The first `count` characters of a text.
std::string_view characters(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (!is_continuation(text[at]) && count-- == 0) break;
  }
  return text.substr(0, at);
}

/// The caret's line: tabs stay tabs, so that it stands below the character in any terminal.
std::string caret_line(std::string_view source, std::uint32_t column) {
  std::string text;
  for (const char c : printable(characters(source, std::max(column, 1U) - 1), Breaks::keep)) {
    if (!is_continuation(c)) text += c == '\t' ? '\t' : ' ';
  }
  return text + "^";
}

}  // namespace

void Diagnostics::push_back(Diagnostic one) {
  const auto severity = one.severity;
  const bool is_kept = !is_full(severity);
  ++counts_[index(severity)];
  if (!is_kept) return;
  ++kept_[index(severity)];
  for (std::string* text : {&one.message, &one.mend, &one.field})
    *text = shortened(*text, max_diagnostic_text);
  all_.push_back(std::move(one));
}

void Diagnostics::append(Diagnostics more) {
  for (std::size_t severity = 0; severity < severities; ++severity)
    counts_[severity] += more.counts_[severity] - more.kept_[severity];
  for (Diagnostic& one : more.all_) {
    const bool is_known =
        std::ranges::any_of(all_, [&](const Diagnostic& known) { return says_the_same(known, one); });
    if (!is_known) push_back(std::move(one));
  }
}

void Diagnostics::sort() {
  std::ranges::sort(all_, {}, [](const Diagnostic& one) {
    return std::tie(one.file, one.position.line, one.position.column, one.code, one.field);
  });
}

bool has_errors(const Diagnostics& diagnostics) { return diagnostics.count(Severity::error) > 0; }

std::string count_words(std::size_t errors, std::size_t warnings) {
  return counted(errors, "error") + ", " + counted(warnings, "warning");
}

std::string render(const Diagnostic& diagnostic, bool colour) {
  const Colours& c = colour ? ansi : plain;
  const auto where = place(diagnostic);
  const auto severity_colour = colour_of(c, diagnostic.severity);
  auto text = fmt::format("{}{}{}{}{}{}:{} {} [{}]\n", c.bold, where, where.empty() ? "" : ": ", c.off,
                          severity_colour, word(diagnostic.severity), c.off, printable(diagnostic.message),
                          diagnostic.code);
  if (diagnostic.position.line != 0 && !diagnostic.source.empty()) {
    const auto number = fmt::format("{:>5}", diagnostic.position.line);
    text += fmt::format("{} | {}\n", number, printable(diagnostic.source, Breaks::keep));
    text += fmt::format("{:>5} | {}{}{}\n", "", severity_colour,
                        caret_line(diagnostic.source, diagnostic.position.column - diagnostic.source_begin),
                        c.off);
  } else if (!diagnostic.field.empty()) {
    text += fmt::format("      at {}\n", printable(diagnostic.field));
  }
  if (!diagnostic.mend.empty())
    text += fmt::format("      {}= {}{}\n", c.mend, printable(diagnostic.mend), c.off);
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
  const auto errors = diagnostics.omitted(Severity::error);
  const auto warnings = diagnostics.omitted(Severity::warning);
  if (errors + warnings > 0) text += fmt::format("and more: {}\n", count_words(errors, warnings));
  return text;
}

Json to_json(const Diagnostic& diagnostic) {
  Json json{{"code", diagnostic.code},
            {"severity", word(diagnostic.severity)},
            {"file", diagnostic.file},
            {"line", diagnostic.position.line},
            {"column", diagnostic.position.column},
            {"field", diagnostic.field},
            {"message", diagnostic.message},
            {"mend", diagnostic.mend}};
  if (const auto& change = diagnostic.replacement) {
    const auto place = [](const Position& at) { return Json{{"line", at.line}, {"column", at.column}}; };
    json["replacement"] = {
        {"begin", place(change->begin)}, {"end", place(change->end)}, {"text", change->text}};
  }
  return json;
}

}  // namespace weft::base
