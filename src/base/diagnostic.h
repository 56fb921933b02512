// One type for everything that is wrong with what a user wrote: where it is, what it is, how to mend it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json_fwd.h"

namespace weft::base {

/// A note says what weft makes of what is not wrong.
enum class Severity : std::uint8_t { error, warning, note };
constexpr std::size_t severities = 3;

/// A place in a text. Lines and columns count from 1, columns in characters (code points); 0 means unknown.
struct Position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  friend bool operator==(const Position&, const Position&) = default;
};

/// A mend that needs no thought: what stands from `begin` up to `end` becomes `text`.
struct Replacement {
  Position begin;
  Position end;
  std::string text;
};

struct Diagnostic {
  /// Stable name such as "yaml/bad-indent"; each is explained in docs/errors.md.
  std::string code;
  Severity severity = Severity::error;
  /// The file as the user named it, "-" for standard input, empty for a request body.
  std::string file;
  Position position;
  /// The path of the field within its resource ("spec.ports[0].port"), empty if none.
  std::string field;
  std::string message;
  /// What to do, as an instruction.
  std::string mend;
  /// The line of the text at `position` without its end, of a long one the part around it; empty if unknown.
  std::string source;
  /// By how many columns `source` begins later than the line.
  std::uint32_t source_begin = 0;
  /// The mend as a change of the text, if it is one.
  std::optional<Replacement> replacement;
};

/// How many of each severity one input (a file, all files of a command) is told of: more than anybody mends
/// before looking again.
constexpr std::size_t max_diagnostics = 100;
/// The longest message, mend or field in bytes; names have 253 at most, but what is wrong may be longer.
constexpr std::size_t max_diagnostic_text = 2000;

/// What is wrong with one input, bounded in number and in bytes whatever the input: the first max_diagnostics
/// of each severity, with their texts shortened; of the rest only the number is known.
class Diagnostics {
 public:
  Diagnostics() = default;
  Diagnostics(std::initializer_list<Diagnostic> all) {
    for (const Diagnostic& one : all) push_back(one);
  }

  void push_back(Diagnostic one);
  /// What is here already, of the same place and in the same words (an alias is read wherever it stands), is
  /// not taken again.
  void append(Diagnostics more);
  /// Takes what `make()` returns; it is not called if it would not be kept.
  template <class Make>
  void add(Severity severity, Make make) {
    if (is_full(severity))
      ++counts_[index(severity)];
    else
      push_back(make());
  }
  /// Whether another one of that severity would only be counted.
  bool is_full(Severity severity) const { return kept_[index(severity)] >= max_diagnostics; }

  /// Of that severity, with those that were not kept.
  std::size_t count(Severity severity) const { return counts_[index(severity)]; }
  /// Of that severity, how many were not kept.
  std::size_t omitted(Severity severity) const { return count(severity) - kept_[index(severity)]; }

  // Those that were kept.
  bool empty() const { return all_.empty(); }
  std::size_t size() const { return all_.size(); }
  const Diagnostic& front() const { return all_.front(); }
  const Diagnostic& at(std::size_t i) const { return all_.at(i); }
  const Diagnostic& operator[](std::size_t i) const { return all_[i]; }
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  /// By file, position, code and field.
  void sort();

 private:
  static std::size_t index(Severity severity) { return static_cast<std::size_t>(severity); }

  std::vector<Diagnostic> all_;
  std::array<std::size_t, severities> kept_{};
  std::array<std::size_t, severities> counts_{};
};

bool has_errors(const Diagnostics& diagnostics);
/// "2 errors, 1 warning".
std::string count_words(std::size_t errors, std::size_t warnings);

/// For a terminal: "file:line:column: error: message [code]", the line with a caret below it, and the mend.
/// With `colour`, ANSI colours; all else is printable (printable.h).
std::string render(const Diagnostic& diagnostic, bool colour = false);
/// Every one of them rendered, in order of file and position, and how many were not kept.
std::string render(const Diagnostics& diagnostics, bool colour = false);
Json to_json(const Diagnostic& diagnostic);

}  // namespace weft::base
