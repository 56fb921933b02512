// Random identifiers as text, without a string of their own.
#pragma once

#include <array>
#include <cstdint>

namespace weft::telemetry {

namespace detail {
/// The two digits of every byte.
inline constexpr auto byte_digits = [] {
  std::array<std::array<char, 2>, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    table[i] = {"0123456789abcdef"[i >> 4], "0123456789abcdef"[i & 15]};
  }
  return table;
}();
}  // namespace detail

/// 128 bits as 32 digits in lower case, `high` first.
constexpr std::array<char, 32> hex_digits(std::uint64_t high, std::uint64_t low) {
  std::array<char, 32> text;
  for (unsigned i = 0; i < 8; ++i) {
    const auto& upper = detail::byte_digits[(high >> (56 - 8 * i)) & 0xff];
    const auto& lower = detail::byte_digits[(low >> (56 - 8 * i)) & 0xff];
    text[2 * i] = upper[0];
    text[2 * i + 1] = upper[1];
    text[16 + 2 * i] = lower[0];
    text[17 + 2 * i] = lower[1];
  }
  return text;
}

}  // namespace weft::telemetry
