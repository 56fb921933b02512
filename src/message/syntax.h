// The small grammars that HTTP's parts share (RFC 9110, 5.6): tokens, field values, lists.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace weft::message {

namespace detail {
inline constexpr auto token_chars = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = '0'; c <= '9'; ++c) table[c] = true;
  for (std::size_t c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (std::size_t c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}();
}  // namespace detail

/// A byte of a token: letters, digits and !#$%&'*+-.^_`|~
inline bool is_token_char(char c) { return detail::token_chars[static_cast<unsigned char>(c)]; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
/// One or more token bytes.
bool is_token(std::string_view text);
/// Only bytes that a field value may have: tab, space, visible ASCII and 0x80 to 0xff.
bool is_field_value(std::string_view text);

constexpr char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
bool equals_ignore_case(std::string_view a, std::string_view b);
/// Without the spaces and tabs at both ends.
inline std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// Takes the next member off a comma-separated list, trimmed; empty members are passed over. False at its
/// end.
bool next_member(std::string_view& list, std::string_view& member);
/// Whether a comma-separated list has `token`, in any case.
bool has_member(std::string_view list, std::string_view token);

}  // namespace weft::message
