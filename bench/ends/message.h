// What both ends of the benchmarks of gRPC send.
#pragma once

#include <string_view>

namespace weft::bench {

/// A message of 100 bytes behind its prefix: not compressed, its length (gRPC over HTTP2,
/// "Length-Prefixed-Message").
inline constexpr std::string_view message{
    "\0\0\0\0\x64"
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    105};

}  // namespace weft::bench
