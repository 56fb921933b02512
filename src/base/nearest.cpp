#include "base/nearest.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace weft::base {
namespace {

char fold(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Optimal string alignment distance: insertions, deletions, substitutions, swaps of neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> before(width), last(width), row(width);
  for (std::size_t j = 0; j < width; ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j < width; ++j) {
      const bool same = fold(a[i - 1]) == fold(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      const bool swapped =
          i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates) {
  // A name of a few kilobytes is no typing slip, and the distance costs the product of the lengths.
  constexpr std::size_t longest = 256;
  if (name.size() > longest) return {};
  std::string_view best;
  std::size_t best_distance = 0;
  for (const auto candidate : candidates) {
    if (candidate.size() > longest) continue;
    const auto found = distance(name, candidate);
    const auto allowed = std::max<std::size_t>(1, std::max(name.size(), candidate.size()) / 3);
    const bool extends =
        candidate.size() >= 4 && name.size() > candidate.size() && name.starts_with(candidate);
    if (found > allowed && !extends) continue;
    if (best.empty() || found < best_distance) {
      best = candidate;
      best_distance = found;
    }
  }
  return best;
}

}  // namespace weft::base
