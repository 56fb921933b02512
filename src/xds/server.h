// The control plane's side of xDS: incremental ADS over our gRPC, one stream for each context of a proxy, and
// a node stream that tells the proxy its contexts.
//
// Only what changed is sent, in an order in which nothing names what has not come yet: context, clusters,
// endpoints, listeners, routes, and last what is gone. At most one published Snapshot is on its way on a
// stream; what is published meanwhile is sent, as one step, once the proxy has answered.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "runtime/reactor.h"
#include "runtime/socket.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "snapshot/snapshot.h"
#include "xds/error.h"

namespace weft::xds {

/// The last refusal of a proxy.
struct Nack {
  std::string proxy;
  /// The proxy's words, in terms of the Origin.
  std::string text;
  base::WallTime at{};
};

/// One connected proxy.
struct ProxyStatus {
  std::string proxy;
  /// Contexts placed there, and those whose last published Snapshot it has acknowledged.
  std::size_t contexts = 0;
  std::size_t settled = 0;
};

class Server {
 public:
  /// For so long after its making a proxy that has contexts and has not connected yet is waited for like one
  /// that has: the proxies that a control plane before this one had come back.
  explicit Server(runtime::Reactor& reactor, base::Duration return_time = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  /// Whether a process is the machine's own proxy. It holds up the next connection, and is asked of each.
  using IsOwnProxy = std::function<runtime::Task<bool>(pid_t)>;
  /// Serves connections of `acceptor` until it fails (then its error is the result) or is cancelled, which
  /// breaks the connections. `acceptor` must live as long. The machine's own proxy has limits of its own, so
  /// that it is served whatever others hold.
  runtime::Task<runtime::IoError> serve(runtime::Acceptor& acceptor, IsOwnProxy is_own_proxy);
  /// Serves one connection until it ends.
  runtime::Task<void> serve_connection(std::unique_ptr<runtime::Stream> connection, bool is_own_proxy);

  /// Makes `snapshot` what `proxy` shall have of its context, as the instances of it that speak xDS
  /// themselves. Cheap if it equals the last one. What is published within one turn of the reactor goes out
  /// together.
  void publish(const std::string& proxy, snapshot::SnapshotPtr snapshot);
  /// Tells `proxy` which contexts are its own; it stops serving those that are gone and may ask for no other.
  /// What was published for others there is forgotten. Until the first call for a proxy it is told nothing
  /// and keeps what it has: after a restart, call it only once the list is whole.
  void set_contexts(std::string proxy, std::vector<snapshot::ContextId> contexts);

  struct Settled {
    /// How many proxies have acknowledged; 0 if none is connected that this context is placed at.
    std::size_t proxies = 0;
  };
  /// Ends when every connected proxy that `context` is placed at has acknowledged what was published last, at
  /// once if none is connected. Errors: `nacked` (with the proxy's text) as soon as one refuses, `timeout`
  /// after `limit`, `not_published`.
  runtime::Task<std::expected<Settled, XdsError>> settled(snapshot::ContextId context, base::Duration limit);
  /// The same without waiting; nothing if it is still under way.
  std::optional<std::expected<Settled, XdsError>> settled_now(const snapshot::ContextId& context) const;
  /// Ends when `proxy` has said of all of these listeners of the context, which drain by what was published
  /// last, that nothing is under way there any more; at once if it is not connected, refuses what was
  /// published, or does not tell such things. False once `limit` has passed.
  runtime::Task<bool> drained(std::string proxy, snapshot::ContextId context,
                              std::vector<std::string> listeners, base::Duration limit);
  /// The last refusal of what is published now for `context`, nothing if it was acknowledged since.
  std::optional<Nack> last_nack(const snapshot::ContextId& context) const;
  /// The connected proxies, by name.
  std::vector<ProxyStatus> proxies() const;

  struct Counters {
    std::uint64_t connections = 0;     // accepted since the start
    std::uint64_t responses = 0;       // messages sent
    std::uint64_t resources_sent = 0;  // changed or new resources in them
    std::uint64_t resources_removed = 0;
    std::uint64_t acks = 0;
    std::uint64_t nacks = 0;
    std::uint64_t refused = 0;  // connections and streams beyond a limit
  };
  Counters counters() const;
  /// What is open and kept for peers now.
  struct Load {
    std::size_t streams = 0;
    std::size_t asked_bytes = 0;
    std::size_t unfinished_bytes = 0;
  };
  Load load() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace weft::xds
