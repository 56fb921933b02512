// Follows the mends of a text, for tests.
#pragma once

#include <string>

#include "model/check.h"
#include "model/load.h"

namespace weft::model {

struct Mended {
  /// The mend of the first fault, in words; empty if there was none.
  std::string first;
  std::string text;
  bool is_valid = false;
  /// What is still wrong.
  std::string rendered;
};

/// The text with `change` made.
inline std::string applied(std::string text, const base::Replacement& change) {
  const auto offset = [&](base::Position at) {
    std::size_t i = 0;
    for (; at.line > 1; --at.line) i = text.find('\n', i) + 1;
    for (; at.column > 1; --at.column) do
        ++i;
      while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80);
    return i;
  };
  const auto begin = offset(change.begin);
  return text.replace(begin, offset(change.end) - begin, change.text);
}

/// Applies the first change that is proposed, looks again, and so on.
inline Mended mend(std::string text) {
  Mended mended{.text = std::move(text)};
  // More than any text of these tests has faults.
  for (int round = 0; round < 10; ++round) {
    Loaded loaded = load(mended.text, "f.yaml");
    mended.is_valid = !base::has_errors(loaded.diagnostics);
    mended.rendered = base::render(loaded.diagnostics);
    const base::Diagnostic* next = nullptr;
    for (const base::Diagnostic& one : loaded.diagnostics) {
      if (round == 0 && !next) mended.first = one.mend;
      if (one.replacement && !next) next = &one;
    }
    if (!next) break;
    mended.text = applied(mended.text, *next->replacement);
  }
  return mended;
}

}  // namespace weft::model
