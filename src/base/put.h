// Text put together in room that is known to be large enough.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace weft::base {

namespace detail {
/// The bytes at both ends, as two words that may overlap.
template <class Word>
[[gnu::always_inline]] inline void copy_ends(char* to, const char* from, std::size_t size) {
  Word first;
  Word last;
  std::memcpy(&first, from, sizeof first);
  std::memcpy(&last, from + size - sizeof last, sizeof last);
  std::memcpy(to, &first, sizeof first);
  std::memcpy(to + size - sizeof last, &last, sizeof last);
}
}  // namespace detail

/// Copies `text` to `to`, which do not overlap, and gives the end. Most texts are short: they are copied by
/// two moves, where a call of memcpy would cost more than the copy.
[[gnu::always_inline]] inline char* put(char* to, std::string_view text) {
  const auto size = text.size();
  const char* const from = text.data();
  if (size > 32) {
    std::memcpy(to, from, size);
  } else if (size >= 16) {
    detail::copy_ends<unsigned __int128>(to, from, size);
  } else if (size >= 8) {
    detail::copy_ends<std::uint64_t>(to, from, size);
  } else if (size >= 4) {
    detail::copy_ends<std::uint32_t>(to, from, size);
  } else if (size > 0) {
    to[0] = from[0];
    to[size / 2] = from[size / 2];
    to[size - 1] = from[size - 1];
  }
  return to + size;
}

/// As std::string::assign, where `text` is no part of `to` and mostly fits into its memory.
[[gnu::always_inline]] inline void assign(std::string& to, std::string_view text) {
  // The size that libstdc++ 12 hands on is what it grew to.
  to.resize_and_overwrite(text.size(), [&](char* bytes, std::size_t) {
    put(bytes, text);
    return text.size();
  });
}

}  // namespace weft::base
