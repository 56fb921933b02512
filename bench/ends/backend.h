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
};

/// Listens on a free port of 127.0.0.1 and serves in `scope`; gives the port.
runtime::IoResult<std::uint16_t> serve(runtime::Reactor& reactor, runtime::Scope& scope, Backend kind);

}  // namespace weft::bench
