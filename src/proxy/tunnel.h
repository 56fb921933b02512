// Bytes both ways until both sides have ended: opaque connections and upgraded ones.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "telemetry/shard.h"

namespace weft::proxy {

class Worker;

/// Bytes carried so far.
struct TunnelBytes {
  std::uint64_t to_upstream = 0;
  std::uint64_t to_client = 0;
};

/// Carries bytes until both sides have ended, one has broken, or none has come for `idle`. An end of one side
/// is passed on and the other direction goes on. `from_client` and `from_upstream` were read before. The
/// bytes are counted as they pass, also in `series` unless that is null.
runtime::Task<void> tunnel(Worker& worker, runtime::Stream& client, runtime::Stream& upstream,
                           std::string_view from_client, std::string_view from_upstream, base::Duration idle,
                           TunnelBytes& bytes, telemetry::EndsSeries* series = nullptr);

}  // namespace weft::proxy
