// What a connection speaks, told from its first bytes. Whatever any HTTP server might take for a request is
// HTTP, so that none reaches one as mere bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::proxy::opening {

enum class Protocol : std::uint8_t {
  /// More must arrive.
  undecided,
  /// HTTP/1 or what is to be refused by its rules.
  http1,
  http2,
  /// A ClientHello has begun.
  tls,
  other,
};

/// What a client that knows that the server speaks HTTP/2 begins with (RFC 9113, 3.4).
inline constexpr std::string_view h2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A first line that is longer, and might still be one of HTTP, is: memcached's own limit for a line of keys
/// is half of that.
inline constexpr std::size_t max_undecided_bytes = 4096;

/// What begins with `bytes`, of which those behind max_undecided_bytes are not looked at. It is never
/// undecided if `has_ended`, nor if there are so many bytes, and more bytes never change a decision.
///
/// HTTP is, behind any empty lines and blanks: visible ASCII that does not begin as JSON or XML do, blanks,
/// and then "/", a scheme and "://", "*" alone or, on the same line, blanks and "HTTP/", in any case. After
/// "GET" and "CONNECT" it is anything, and after another token a control byte too, unless that token is one
/// byte, as a length or a type in a binary protocol may be. Blanks are all that Python's str.split() divides
/// by. So a line "get foo" (memcached, Redis) is none, and "get /foo" is. A PROXY header counts as HTTP, for
/// a server that takes one may speak HTTP behind it.
Protocol of_client(std::string_view bytes, bool has_ended);

/// A frame's header (RFC 9113, 4.1).
inline constexpr std::size_t max_server_bytes = 9;

/// The same of a server that speaks before its client: http1 (an early "HTTP/1.1 408"), http2 (its SETTINGS),
/// other, or undecided within max_server_bytes.
Protocol of_server(std::string_view bytes, bool has_ended);

}  // namespace weft::proxy::opening
