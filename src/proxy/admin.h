// The proxy's admin interface: HTTP over a Unix socket.
#pragma once

#include <expected>
#include <functional>
#include <string>

#include "proxy/proxy.h"
#include "runtime/reactor.h"
#include "runtime/socket.h"
#include "runtime/task.h"
#include "telemetry/samples.h"

namespace weft::proxy {

struct AdminOptions {
  /// The Unix socket, made with mode 0600; or a loopback address when asked.
  base::Address address;
  /// A Unix socket's: other processes may have theirs at the same path. Each is at a name with its pid, and a
  /// link at the path leads to the newest.
  bool is_shared = false;
  /// Listens at an address, or goes on with a socket that another process has listened on there.
  std::function<runtime::IoResult<runtime::Fd>(const base::Address&)> listen = [](const base::Address& at) {
    return runtime::listen_on(at);
  };
  /// Whether another process goes on with the socket, whose file stays then. Empty: none does.
  std::function<bool()> is_handed_on{};
  /// What processes before this one have counted, which the metrics go on from. Empty: nothing.
  std::function<runtime::Task<telemetry::Samples>()> counted_before{};
};

/// Serves until it is destroyed: GET /ready, /stats/prometheus, /config_dump, /clusters, /listeners, /memory,
/// POST /drain, POST /logging?level=debug|info|warning|error. Ends with an error if it cannot listen.
/// `on_drain` runs after POST /drain has been answered (the process's owner drains and ends).
runtime::Task<std::expected<void, std::string>> serve_admin(runtime::Reactor& reactor, Proxy& proxy,
                                                            AdminOptions options,
                                                            std::function<void()> on_drain);

}  // namespace weft::proxy
