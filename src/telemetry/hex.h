// Random identifiers as text, without a string of their own.
#pragma once

#include <array>
#include <cstdint>

namespace weft::telemetry {

/// 128 bits as 32 digits in lower case, `high` first.
constexpr std::array<char, 32> hex_digits(std::uint64_t high, std::uint64_t low) {
  std::array<char, 32> text{};
  for (unsigned i = 0; i < 16; ++i) {
    text[i] = "0123456789abcdef"[(high >> (60 - 4 * i)) & 15];
    text[16 + i] = "0123456789abcdef"[(low >> (60 - 4 * i)) & 15];
  }
  return text;
}

}  // namespace weft::telemetry
