// ClientHellos as tests make them.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

namespace weft::proxy::opening::testing {

/// `bytes` with their length before them, in so many bytes.
inline std::string vector(std::size_t length_bytes, std::string_view bytes) {
  std::string text;
  for (auto at = length_bytes; at-- > 0;) text += static_cast<char>(bytes.size() >> (8 * at) & 0xffU);
  return text.append(bytes);
}

inline std::string extension(unsigned type, std::string_view value) {
  std::string text{static_cast<char>(type >> 8U), static_cast<char>(type & 0xffU)};
  return text + vector(2, value);
}

inline std::string server_name(std::string_view name) {
  return extension(0, vector(2, std::string(1, '\0') + vector(2, name)));
}

/// The handshake message, with these extensions.
inline std::string hello_message(std::string_view extensions) {
  const std::string ciphers("\x8a\x8a\x13\x01\x13\x02", 6);  // one is GREASE (RFC 8701)
  return '\1' + vector(3, "\3\3" + std::string(32, 'r') + vector(1, std::string(32, 's')) +
                              vector(2, ciphers) + vector(1, std::string(1, '\0')) + vector(2, extensions));
}

/// `message` in handshake records of at most so many bytes.
inline std::string records(std::string_view message, std::size_t size = 16384) {
  std::string text;
  for (; !message.empty(); message.remove_prefix(std::min(size, message.size())))
    text += "\x16\x03\x01" + vector(2, message.substr(0, size));
  return text;
}

/// A whole one for that host.
inline std::string hello_to(std::string_view host) { return records(hello_message(server_name(host))); }

}  // namespace weft::proxy::opening::testing
