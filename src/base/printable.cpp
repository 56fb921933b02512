#include "base/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace weft::base {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

struct Range {
  char32_t first, last;
};
/// What is obeyed, or is not seen: controls (general category Cc), line and paragraph separators, interlinear
/// annotations, and Default_Ignorable_Code_Point (Unicode 15, DerivedCoreProperties.txt), in which
/// Bidi_Control and the variation selectors lie.
constexpr Range hidden[] = {{0x00, 0x1F},       {0x7F, 0x9F},       {0xAD, 0xAD},      {0x34F, 0x34F},
                            {0x61C, 0x61C},     {0x115F, 0x1160},   {0x17B4, 0x17B5},  {0x180B, 0x180F},
                            {0x200B, 0x200F},   {0x2028, 0x202E},   {0x2060, 0x206F},  {0x3164, 0x3164},
                            {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},  {0xFFF0, 0xFFFB},
                            {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};

bool is_hidden(char32_t c) {
  const auto* range = std::ranges::lower_bound(hidden, c, {}, &Range::last);
  return range != std::end(hidden) && c >= range->first;
}

void append_escaped(std::string& out, char32_t c) {
  switch (c) {
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  auto value = static_cast<std::uint32_t>(c);
  if (c > 0xFFFF) {  // two surrogates, as JSON has it (RFC 8259, 7)
    value -= 0x10000;
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", 0xD800 + (value >> 10U));
    value = 0xDC00 + (value & 0x3FFU);
  }
  fmt::format_to(std::back_inserter(out), "\\u{:04x}", value);
}

}  // namespace

std::size_t sequence_length(std::string_view text, std::size_t at) {
  auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return byte(i) >= low && byte(i) <= high;
  };
  unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    unsigned high = first == 0xED ? 0x9F : 0xBF;
    return follows(1, low, high) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    unsigned low = first == 0xF0 ? 0x90 : 0x80;
    unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return follows(1, low, high) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

char32_t code_point(std::string_view sequence) {
  constexpr unsigned lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  char32_t value = static_cast<unsigned char>(sequence[0]) & lead_bits[sequence.size()];
  for (const char c : sequence.substr(1)) value = value << 6U | (static_cast<unsigned char>(c) & 0x3FU);
  return value;
}

std::string printable(std::string_view text, Breaks breaks) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(text, at);
    if (length == 0) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[at]));
      ++at;
      continue;
    }
    const auto sequence = text.substr(at, length);
    const char32_t c = code_point(sequence);
    const bool is_kept = breaks == Breaks::keep && (c == '\n' || c == '\t');
    if (is_hidden(c) && !is_kept) {
      append_escaped(out, c);
    } else {
      out += sequence;
    }
    at += length;
  }
  return out;
}

std::string shortened(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  // The end says more about a sentence with a long name in it than its middle does.
  std::size_t end = most / 4 * 3;
  std::size_t begin = text.size() - most / 4;
  while (end > 0 && is_continuation(text[end])) --end;
  while (begin < text.size() && is_continuation(text[begin])) ++begin;
  return fmt::format("{}...{}", text.substr(0, end), text.substr(begin));
}

}  // namespace weft::base
