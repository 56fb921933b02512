// What can go wrong on an HTTP/2 connection.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "base/error.h"

namespace weft::http::h2 {

enum class H2ErrorKind : std::uint8_t {
  /// The connection ended or broke, or this side gave it up.
  closed,
  /// The peer did not take the stream up (REFUSED_STREAM, or GOAWAY before it).
  refused,
  /// The peer reset the stream.
  reset,
  /// The peer answered no keep-alive ping.
  timeout,
  /// The peer broke the protocol.
  protocol,
};

using H2Error = base::ErrorOf<H2ErrorKind>;
template <class T>
using H2Result = std::expected<T, H2Error>;

/// "connection closed", "stream refused" ...
std::string_view words(H2ErrorKind kind);
/// Whether the request surely was not processed, so that sending it again is safe (RFC 9113, 8.7).
bool had_no_effect(H2ErrorKind kind);

}  // namespace weft::http::h2
