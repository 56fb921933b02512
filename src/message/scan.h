// The byte search that checking field values and parsing a head spend their time in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>

#include <bit>
#endif

namespace weft::message {

/// A control byte other than tab.
inline bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

/// The offset of the first control byte other than tab at or behind `from`, bytes.size() if there is none.
inline std::size_t find_control(std::string_view bytes, std::size_t from) {
  std::size_t i = from;
#ifdef __SSE2__
  const __m128i highest_control = _mm_set1_epi8(0x1f);
  const __m128i tab = _mm_set1_epi8('\t');
  const __m128i del = _mm_set1_epi8(0x7f);
  const auto controls_at = [&](std::size_t at) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + at));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(block, highest_control), block);
    const __m128i control = _mm_andnot_si128(_mm_cmpeq_epi8(block, tab), low);
    return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_or_si128(control, _mm_cmpeq_epi8(block, del))));
  };
  for (; i + 16 <= bytes.size(); i += 16) {
    const auto mask = controls_at(i);
    if (mask != 0) return i + static_cast<std::size_t>(std::countr_zero(mask));
  }
  if (bytes.size() >= 16) {
    // The rest by a block that begins before it.
    const auto at = bytes.size() - 16;
    const auto mask = controls_at(at) >> (i - at) << (i - at);
    return mask != 0 ? at + static_cast<std::size_t>(std::countr_zero(mask)) : bytes.size();
  }
#endif
  for (; i < bytes.size(); ++i) {
    if (is_control(bytes[i])) break;
  }
  return i;
}

}  // namespace weft::message
