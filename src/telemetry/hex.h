// Random identifiers as text, without a string of their own.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace weft::telemetry {

#ifndef __SSE2__
namespace detail {
/// Eight digits at once: a nibble in each byte, lowest first, and what makes a digit or a letter of each
/// added.
constexpr std::uint64_t eight_digits(std::uint32_t bits) {
  std::uint64_t nibbles = bits;
  nibbles = (nibbles | nibbles << 16) & 0x0000ffff0000ffff;
  nibbles = (nibbles | nibbles << 8) & 0x00ff00ff00ff00ff;
  nibbles = (nibbles | nibbles << 4) & 0x0f0f0f0f0f0f0f0f;
  const std::uint64_t letters = (nibbles + 0x0606060606060606) >> 4 & 0x0101010101010101;
  return nibbles + 0x3030303030303030 + letters * ('a' - '0' - 10);
}
}  // namespace detail
#endif

/// 64 bits as 16 digits in lower case.
inline std::array<char, 16> hex_digits(std::uint64_t bits) {
#ifdef __SSE2__
  const auto in_text_order = _mm_cvtsi64_si128(static_cast<std::int64_t>(std::byteswap(bits)));
  const auto low_nibbles = _mm_set1_epi8(0x0f);
  const auto nibbles = _mm_unpacklo_epi8(_mm_and_si128(_mm_srli_epi16(in_text_order, 4), low_nibbles),
                                         _mm_and_si128(in_text_order, low_nibbles));
  const auto letters =
      _mm_and_si128(_mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9)), _mm_set1_epi8('a' - '0' - 10));
  return std::bit_cast<std::array<char, 16>>(
      _mm_add_epi8(_mm_add_epi8(nibbles, _mm_set1_epi8('0')), letters));
#else
  const auto in_text_order = [](std::uint64_t word) {
    return std::endian::native == std::endian::little ? std::byteswap(word) : word;
  };
  const std::array words{in_text_order(detail::eight_digits(static_cast<std::uint32_t>(bits >> 32))),
                         in_text_order(detail::eight_digits(static_cast<std::uint32_t>(bits)))};
  return std::bit_cast<std::array<char, 16>>(words);
#endif
}

}  // namespace weft::telemetry
