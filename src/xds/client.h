// The proxy's side of xDS: asks the control plane for its contexts, assembles whole Snapshots, hands them to
// the application and acknowledges only what that has taken. What it knows outlives the connection.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "runtime/reactor.h"
#include "runtime/socket.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "snapshot/snapshot.h"
#include "xds/error.h"

namespace weft::xds {

/// Who puts the configuration to work.
class Application {
 public:
  virtual ~Application() = default;
  /// Takes a new Snapshot of its context; once this ends well it is acknowledged. An error's text goes to the
  /// control plane as a NACK, the one before stays in force, and this is tried again later. Calls for one
  /// context never overlap, those for several may. It may be cancelled (destroyed) at any suspension when the
  /// context is removed.
  virtual runtime::Task<std::expected<void, std::string>> apply(snapshot::SnapshotPtr snapshot) = 0;
  /// Ends when nothing is under way any more at a listener of the context that drains
  /// (snapshot::Listener::drain), or when there is none of that name. It may be cancelled at any suspension.
  virtual runtime::Task<void> drained(snapshot::ContextId context, std::string listener) = 0;
  /// The context is placed elsewhere or gone. Only for one that apply was called for, however that ended.
  virtual runtime::Task<void> remove(snapshot::ContextId context) = 0;
};

class Client {
 public:
  struct Options {
    /// node.id of the node stream.
    std::string proxy;
    /// Makes a connection to the control plane.
    std::function<runtime::Task<runtime::IoResult<std::unique_ptr<runtime::Stream>>>()> connect;
    /// First and longest wait between attempts; each is doubled from the one before, and a random half taken
    /// off.
    base::Duration backoff_first = std::chrono::milliseconds(10);
    base::Duration backoff_max = std::chrono::seconds(5);
    /// How long after the application has refused something it is asked again, if nothing new comes
    /// meanwhile.
    base::Duration retry_refused = std::chrono::seconds(1);
  };

  /// `application` must outlive it.
  Client(runtime::Reactor& reactor, Options options, Application& application, base::Random random);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  /// Connects, serves, connects again; never ends by itself.
  runtime::Task<void> run();

  struct ContextStatus {
    snapshot::ContextId context;
    /// The Snapshot in force; null before the first.
    snapshot::SnapshotPtr applied;
    /// Why the last one was refused; empty if it was not.
    std::string refused;
  };
  struct Status {
    bool connected = false;
    /// Whether the control plane has ever said which contexts are ours.
    bool placed = false;
    std::uint64_t attempts = 0;
    /// Fields of the control plane's resources that were not known and passed over.
    std::uint64_t ignored_fields = 0;
    std::vector<std::string> ignored_examples;
    std::vector<ContextStatus> contexts;
  };
  Status status() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Options::connect for a Unix socket or loopback address.
std::function<runtime::Task<runtime::IoResult<std::unique_ptr<runtime::Stream>>>()> connector(
    runtime::Reactor& reactor, base::Address address);

}  // namespace weft::xds
