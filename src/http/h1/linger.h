// Closing a connection whose peer may still be sending, so that our last response reaches it.
#pragma once

#include "base/clock.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::http::h1 {

/// Says that nothing more comes and drops what arrives until the peer closes, at most for `limit`. Without
/// this the kernel answers the peer's unread bytes with a reset, which can destroy the response on its way
/// (RFC 9112, 9.6).
runtime::Task<void> linger(runtime::Reactor& reactor, runtime::Stream& stream, base::Duration limit);

}  // namespace weft::http::h1
