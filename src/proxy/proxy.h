// The data plane: contexts come in as Snapshots, traffic is carried by one worker thread for each core.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "base/json_fwd.h"
#include "export/access_log.h"
#include "proxy/limits.h"
#include "runtime/error.h"
#include "runtime/fd.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "snapshot/snapshot.h"
#include "telemetry/samples.h"

namespace weft::proxy {

/// Where listening sockets come from.
class ListenerSource {
 public:
  virtual ~ListenerSource() = default;
  /// A bound and listening, non-blocking descriptor for the listener of that name. Runs on the proxy's main
  /// reactor.
  virtual runtime::Task<runtime::IoResult<runtime::Fd>> open(std::string name, base::Address address) = 0;
};

/// Binds in this process.
class BindingListenerSource final : public ListenerSource {
 public:
  runtime::Task<runtime::IoResult<runtime::Fd>> open(std::string name, base::Address address) override;
};

struct Options {
  unsigned workers = 1;
  /// Of balancers, request ids and trace ids; worker n uses seed + n.
  std::uint64_t seed = 1;
  Limits limits;
  exporter::AccessLogOptions access_log;
  /// What is part of metrics() besides. Runs on the main reactor. Empty: nothing.
  std::function<telemetry::Samples()> other_metrics{};
  /// For tests: the clock of the workers' reactors. Null: the machine's.
  base::Clock* clock = nullptr;
};

/// What a listener is doing, for the admin interface.
struct ListenerStatus {
  snapshot::ContextId context;
  std::string name;
  base::Address address;
};

/// A listening socket, by the address that its configuration gives it.
struct ListeningSocket {
  base::Address address;
  runtime::Fd fd;
};

struct EndpointStatus {
  snapshot::ContextId context;
  std::string cluster;
  base::Address address;
  std::string instance;
  snapshot::Health health = snapshot::Health::healthy;
  std::uint64_t connections = 0;
  std::uint64_t idle_connections = 0;
  std::uint64_t active_requests = 0;
  std::uint64_t requests = 0;
};

/// All members are called on the main reactor's thread. Tasks may be destroyed before they end; the change
/// that they began is then completed in the background.
class Proxy {
 public:
  /// Starts the workers. `main` and `source` outlive the proxy.
  Proxy(runtime::Reactor& main, Options options, ListenerSource& source);
  /// Stops the workers; what still runs is cut. drain() first to be gentle.
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  /// Takes a context's new Snapshot in place of its old one. Ends when all workers run it and its new
  /// listeners are open. An error (an address that cannot be bound, a listener without its routes) leaves the
  /// old one in force. Several at a time are taken one after the other.
  runtime::Task<std::expected<void, std::string>> apply(snapshot::SnapshotPtr snapshot);
  /// Closes a context's listeners; its connections finish.
  runtime::Task<void> remove(snapshot::ContextId context);
  /// Ends when nothing is under way any more at a listener of the context that drains, or when it has none of
  /// that name.
  runtime::Task<void> drained(snapshot::ContextId context, std::string listener);
  /// Stops accepting, answers with `Connection: close`, and ends when all is finished or `deadline` has
  /// passed (what is left is cut then).
  runtime::Task<void> drain(base::Duration deadline);
  /// The same beside a successor that accepts already, for those who do not know of it yet: a client's
  /// connection of HTTP/1.1 that rests may ask once more within Limits::drain_idle_timeout.
  runtime::Task<void> retire(base::Duration deadline);
  bool is_draining() const;
  /// AccessLogFile::reopen().
  void reopen_access_log();

  /// Duplicates of the sockets that are listened on: changes may come while they are on their way elsewhere.
  /// An error if not all can be had.
  runtime::Task<runtime::IoResult<std::vector<ListeningSocket>>> listening();
  /// The metrics of all workers, merged.
  runtime::Task<telemetry::Samples> metrics();
  /// The Snapshots in force, sorted by context.
  std::vector<snapshot::SnapshotPtr> snapshots() const;
  std::vector<ListenerStatus> listeners() const;
  /// The endpoints of all clusters, summed over the workers.
  runtime::Task<std::vector<EndpointStatus>> endpoints();
  unsigned workers() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::proxy
