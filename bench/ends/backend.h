// The backends of the benchmarks: what stands behind the proxies. Each answers at the least cost that it can.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "runtime/socket.h"

namespace weft::bench {

/// Most bytes of a response's body.
inline constexpr std::size_t max_body_bytes = 1 << 20;

enum class Backend : std::uint8_t {
  http,  // answers "GET /BYTES/..." with a body of so many bytes
  echo,  // sends back what it got
  bulk,  // sends without an end
  h2,    // HTTP/2: answers every request with a body of h2_body_bytes
  grpc,  // HTTP/2: answers every call with a message
  mute,  // HTTP/2: never answers
};

/// Of a backend's answers over HTTP/2, whatever they were asked for: its requests are not decoded.
inline constexpr std::size_t h2_body_bytes = 1024;

/// Listens on a free port of 127.0.0.1 and serves in `scope`; gives the port.
runtime::IoResult<std::uint16_t> serve(runtime::Reactor& reactor, runtime::Scope& scope, Backend kind);
/// How many requests the mute ones have got.
std::size_t unanswered();

}  // namespace weft::bench
