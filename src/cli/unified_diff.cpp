#include "cli/unified_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace weft::cli {

namespace {

using Lines = std::vector<std::string_view>;

/// Two parts of so many lines, multiplied, are compared line by line: 16 MiB. Larger ones are shown as one
/// that goes and one that comes.
constexpr std::size_t most_cells = std::size_t{4} << 20;

struct Edit {
  char sign;  // ' ', '-' or '+'
  std::string_view line;
};

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// How long the longest common subsequence of what follows each pair of places is.
class Common {
 public:
  Common(const Lines& a, const Lines& b) : width_(b.size() + 1), cells_((a.size() + 1) * width_) {
    for (auto i = a.size(); i-- > 0;) {
      for (auto j = b.size(); j-- > 0;)
        at(i, j) = a[i] == b[j] ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
    }
  }
  std::uint32_t& at(std::size_t i, std::size_t j) { return cells_[i * width_ + j]; }

 private:
  std::size_t width_;
  std::vector<std::uint32_t> cells_;
};

void compare(const Lines& a, const Lines& b, std::vector<Edit>& out) {
  std::size_t i = 0;
  std::size_t j = 0;
  if ((a.size() + 1) * (b.size() + 1) <= most_cells) {
    Common common(a, b);
    while (i < a.size() && j < b.size()) {
      if (a[i] == b[j]) {
        out.push_back({' ', a[i++]});
        ++j;
      } else if (common.at(i + 1, j) >= common.at(i, j + 1)) {
        out.push_back({'-', a[i++]});
      } else {
        out.push_back({'+', b[j++]});
      }
    }
  }
  for (; i < a.size(); ++i) out.push_back({'-', a[i]});
  for (; j < b.size(); ++j) out.push_back({'+', b[j]});
}

/// All lines of both, in order. What is the same at both ends is not compared.
std::vector<Edit> edits(const Lines& a, const Lines& b) {
  const auto [from, from_b] = std::ranges::mismatch(a, b);
  const auto most = std::min(a.size(), b.size()) - static_cast<std::size_t>(from - a.begin());
  std::size_t tail = 0;
  while (tail < most && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  std::vector<Edit> out;
  for (auto line = a.begin(); line != from; ++line) out.push_back({' ', *line});
  const auto last = static_cast<std::ptrdiff_t>(tail);
  compare({from, a.end() - last}, {from_b, b.end() - last}, out);
  for (auto line = a.end() - last; line != a.end(); ++line) out.push_back({' ', *line});
  return out;
}

/// "12,7"; of an empty range the line before it (POSIX.1-2017, diff).
std::string range(std::size_t before, std::size_t count) {
  if (count == 1) return fmt::format("{}", before + 1);
  return fmt::format("{},{}", count == 0 ? before : before + 1, count);
}

}  // namespace

Shown unified_diff(std::string_view before, std::string_view after, std::string_view before_name,
                   std::string_view after_name, bool colour) {
  const auto all = edits(lines_of(before), lines_of(after));
  Shown out;
  const auto add = [&out, colour](std::string_view line, Colour tone) {
    out += paint(line, tone, colour);
    out += "\n";
  };
  const auto is_change = [](const Edit& edit) { return edit.sign != ' '; };
  for (auto at = all.begin(); (at = std::find_if(at, all.end(), is_change)) != all.end();) {
    // A hunk goes on over what is the same, if that is no more than the context of both its sides.
    const auto context = static_cast<std::ptrdiff_t>(context_lines);
    auto end = at;
    for (auto next = at; next != all.end() && next - end <= 2 * context;
         next = std::find_if(end, all.end(), is_change))
      end = next + 1;
    const auto first = at - std::min(at - all.begin(), context);
    const auto last = end + std::min(all.end() - end, context);
    const auto count = [](auto from, auto to, char other) {
      return static_cast<std::size_t>(
          std::count_if(from, to, [other](const Edit& edit) { return edit.sign != other; }));
    };
    if (out.empty()) {
      add(fmt::format("--- {}", before_name), Colour::bold);
      add(fmt::format("+++ {}", after_name), Colour::bold);
    }
    add(fmt::format("@@ -{} +{} @@", range(count(all.begin(), first, '+'), count(first, last, '+')),
                    range(count(all.begin(), first, '-'), count(first, last, '-'))),
        Colour::dim);
    for (auto edit = first; edit != last; ++edit) {
      add(fmt::format("{}{}", edit->sign, edit->line), edit->sign == '-'   ? Colour::red
                                                       : edit->sign == '+' ? Colour::green
                                                                           : Colour::none);
    }
    at = last;
  }
  return out;
}

}  // namespace weft::cli
