// The clients of the benchmarks: closed loops, an open loop, bulk, handshakes, and connections that rest.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/address.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "tls/tls.h"

namespace weft::bench {

/// What one measurement saw.
struct Result {
  std::uint64_t exchanges = 0;
  std::uint64_t bytes = 0;
  std::uint64_t errors = 0;
  std::vector<std::uint32_t> latencies_ns;
};

struct Load {
  base::Address to;
  int connections = 1;
  /// Of HTTP/2, at a time on each connection.
  int streams = 1;
  base::Duration duration{};
  /// Of each response or exchange.
  std::size_t body_bytes = 0;
  /// Of the open loop.
  double requests_per_second = 0;
  /// Null: plaintext.
  std::shared_ptr<tls::ClientContext> tls{};
};

/// They stay open from one command to the next; a place that has none is filled.
using Connections = std::vector<std::unique_ptr<runtime::Stream>>;

/// One who comes back to a server, there from one command to the next.
struct Returning {
  std::shared_ptr<tls::Resumption> resumption;
  bool was_there = false;
};

/// Keep-alive connections that each send the next GET when a response has come whole.
runtime::Task<void> closed_loop(runtime::Reactor& reactor, Load load, Connections& kept, Result& result);
/// Connections that each send bytes and wait for as many to come back.
runtime::Task<void> exchanges(runtime::Reactor& reactor, Load load, Connections& kept, Result& result);
/// Connections that take what comes; they are closed at the end, for the proxy would go on filling them.
runtime::Task<void> bulk(runtime::Reactor& reactor, Load load, Result& result);
/// GETs at a constant rate, whatever the responses do; latencies count from the time that each was due.
runtime::Task<void> open_loop(runtime::Reactor& reactor, Load load, Connections& kept, Result& result);
/// Clients that each connect, are answered once without a body, and close, again and again. Those who are
/// `returning` resume what they had, which counts from the second time on; without any each handshake is a
/// full one.
runtime::Task<void> handshakes(runtime::Reactor& reactor, Load load, std::vector<Returning>* returning,
                               Result& result);
/// Opens that many more connections; with `asks` each does one GET first.
runtime::Task<void> rest(runtime::Reactor& reactor, Load load, bool asks, Connections& kept, Result& result);

}  // namespace weft::bench
