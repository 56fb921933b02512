// The byte search that checking field values and parsing a head spend their time in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace weft::message {

/// A control byte other than tab.
inline bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

/// A byte that is not visible ASCII.
inline bool is_no_visible(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte <= 0x20 || byte >= 0x7f;
}

namespace detail {
#ifdef __SSE2__
/// The first and the last eight bytes of 8 to 15.
inline __m128i ends_of(std::string_view bytes) {
  const __m128i first = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes.data()));
  const __m128i last = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes.data() + bytes.size() - 8));
  return _mm_unpacklo_epi64(first, last);
}
#endif

/// The offset of the first byte at or behind `from` that `is_one` finds, bytes.size() if there is none. The
/// same of sixteen bytes at once: a set bit in `mask(block)` for each.
template <class Mask, class IsOne>
std::size_t find_first(std::string_view bytes, std::size_t from, [[maybe_unused]] Mask mask, IsOne is_one) {
  std::size_t i = from;
#ifdef __SSE2__
  const auto mask_at = [&](std::size_t at) {
    return static_cast<std::uint32_t>(
        _mm_movemask_epi8(mask(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + at)))));
  };
  for (; i + 16 <= bytes.size(); i += 16) {
    if (const auto found = mask_at(i); found != 0) return i + static_cast<std::size_t>(__builtin_ctz(found));
  }
  if (bytes.size() >= 16) {
    // The rest by a block that begins before it.
    const auto at = bytes.size() - 16;
    const auto found = mask_at(at) >> (i - at) << (i - at);
    return found != 0 ? at + static_cast<std::size_t>(__builtin_ctz(found)) : bytes.size();
  }
  if (const auto size = bytes.size(); size >= 8) {
    const auto both = static_cast<std::uint32_t>(_mm_movemask_epi8(mask(ends_of(bytes))));
    const auto found = ((both & 0xff) | both >> 8 << (size - 8)) >> i << i;
    return found != 0 ? static_cast<std::size_t>(__builtin_ctz(found)) : size;
  }
#endif
  while (i < bytes.size() && !is_one(bytes[i])) ++i;
  return i;
}

/// Whether `is_one` finds none at all. As find_first(), but quick for short texts too.
template <class Mask, class IsOne>
bool has_none(std::string_view bytes, [[maybe_unused]] Mask mask, IsOne is_one) {
#ifdef __SSE2__
  const auto* const data = bytes.data();
  const auto size = bytes.size();
  if (size >= 16) {
    const auto is_clean = [&](std::size_t at) {
      return _mm_movemask_epi8(mask(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data + at)))) == 0;
    };
    for (std::size_t i = 0; i + 16 < size; i += 16) {
      if (!is_clean(i)) return false;
    }
    return is_clean(size - 16);
  }
  if (size >= 8) {
    return _mm_movemask_epi8(mask(ends_of(bytes))) == 0;
  }
#endif
  return std::ranges::none_of(bytes, is_one);
}
}  // namespace detail

// What a mask is made of, for each of the sixteen bytes. Only where there are such blocks: elsewhere no mask
// is ever called.
#ifdef __SSE2__
/// Whether it is at most `highest`, at least `lowest`, as unsigned numbers.
inline __m128i at_most(__m128i block, char highest) {
  return _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(highest)), block);
}
inline __m128i at_least(__m128i block, char lowest) {
  return _mm_cmpeq_epi8(_mm_max_epu8(block, _mm_set1_epi8(lowest)), block);
}
inline __m128i equal(__m128i block, char c) { return _mm_cmpeq_epi8(block, _mm_set1_epi8(c)); }
inline __m128i less(__m128i block, char c) { return _mm_sub_epi8(block, _mm_set1_epi8(c)); }
inline __m128i with_bits(__m128i block, char bits) { return _mm_or_si128(block, _mm_set1_epi8(bits)); }
inline __m128i either(__m128i a, __m128i b) { return _mm_or_si128(a, b); }
inline __m128i but_not(__m128i a, __m128i b) { return _mm_andnot_si128(b, a); }
#endif

/// The offset of the first control byte other than tab at or behind `from`, bytes.size() if there is none.
inline std::size_t find_control(std::string_view bytes, std::size_t from) {
  return detail::find_first(
      bytes, from,
      [](auto block) {
        const auto control = but_not(at_most(block, 0x1f), equal(block, '\t'));
        return either(control, equal(block, 0x7f));
      },
      is_control);
}

/// The offset of the first `wanted` at or behind `from`, bytes.size() if there is none.
inline std::size_t find_byte(std::string_view bytes, std::size_t from, char wanted) {
  return detail::find_first(
      bytes, from, [=](auto block) { return equal(block, wanted); }, [=](char c) { return c == wanted; });
}

/// The offset of the first byte that is no visible ASCII, or is "#"; bytes.size() if there is none.
inline std::size_t find_no_target_byte(std::string_view bytes) {
  return detail::find_first(
      bytes, 0,
      [](auto block) {
        const auto no_visible = either(at_most(block, 0x20), at_least(block, 0x7f));
        return either(no_visible, equal(block, '#'));
      },
      [](char c) { return is_no_visible(c) || c == '#'; });
}

/// Whether all bytes are letters, digits or of "-._~" (RFC 3986, 2.3).
inline bool is_unreserved(std::string_view bytes) {
  const auto is_alphanumeric = [](char c) {
    const char lower = static_cast<char>(c | 0x20);
    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z');
  };
  return detail::has_none(
      bytes,
      [](auto block) {
        const auto letters = at_most(less(with_bits(block, 0x20), 'a'), 25);
        // "-" and "." lie side by side.
        const auto marks = at_most(less(block, '-'), 1);
        const auto digits = at_most(less(block, '0'), 9);
        const auto others = either(equal(block, '_'), equal(block, '~'));
        const auto good = either(either(letters, digits), either(marks, others));
        return equal(good, 0);
      },
      [=](char c) { return !is_alphanumeric(c) && c != '-' && c != '.' && c != '_' && c != '~'; });
}

/// Whether all bytes are visible ASCII other than the quote and the backslash.
inline bool is_plain_word(std::string_view bytes) {
  return detail::has_none(
      bytes,
      [](auto block) {
        const auto no_visible = either(at_most(block, 0x20), at_least(block, 0x7f));
        return either(no_visible, either(equal(block, '"'), equal(block, '\\')));
      },
      [](char c) { return is_no_visible(c) || c == '"' || c == '\\'; });
}

}  // namespace weft::message
