// For tests of control plane and proxy end to end in one reactor, with connections over memory that can be
// cut.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/combine.h"
#include "runtime/scope.h"
#include "xds/client.h"
#include "xds/sample_for_test.h"
#include "xds/server.h"

namespace weft::xds {

using runtime::Task;
using snapshot::ContextId;
using snapshot::Snapshot;
using snapshot::SnapshotPtr;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline const ContextId web{"default", "web"};
inline const ContextId cart{"default", "cart"};

inline SnapshotPtr share(Snapshot snapshot) { return std::make_shared<const Snapshot>(std::move(snapshot)); }

inline Task<void> serve_beside(Server* server, std::unique_ptr<runtime::Stream> connection) {
  co_await server->serve_connection(std::move(connection), false);
}

/// A control plane that can be restarted, a proxy, and connections between them over memory that can be cut.
class Session : public testing::Test, public Application {
 public:
  Session() : server(std::make_unique<Server>(reactor)) {
    client.emplace(reactor,
                   Client::Options{.proxy = "local",
                                   .connect = [this] { return connect(); },
                                   .backoff_first = milliseconds(1),
                                   .backoff_max = milliseconds(4)},
                   *this, base::Random(1));
    proxy.spawn(client->run());
  }

  Task<runtime::IoResult<std::unique_ptr<runtime::Stream>>> connect() {
    if (!server) co_return runtime::io_error(ECONNREFUSED);
    auto [a, b] = runtime::memory_pair(reactor);
    connections.spawn(serve_beside(server.get(), std::move(b)));
    co_return std::move(a);
  }
  void cut() { connections.cancel(); }
  void stop_control_plane() {
    connections.cancel();
    server.reset();
  }
  void start_control_plane(base::Duration return_time = {}) {
    server = std::make_unique<Server>(reactor, return_time);
  }

  Task<std::expected<void, std::string>> apply(SnapshotPtr snapshot) override {
    is_applying = true;
    ++begun;
    if (hold) co_await hold->wait();
    ++applies;
    if (!refusal.empty()) co_return std::unexpected(refusal);
    EXPECT_TRUE(snapshot::validate(*snapshot));
    applied[snapshot->context] = snapshot;
    co_return std::expected<void, std::string>{};
  }
  Task<void> remove(ContextId context) override {
    removed.push_back(context.to_string());
    applied.erase(context);
    co_return;
  }
  Task<void> drained(ContextId, std::string listener) override { co_await resting[listener].wait(); }

  template <class Condition>
  void until(Condition condition) {
    auto limit = base::system_clock().now() + seconds(20);
    while (!condition()) {
      ASSERT_LT(base::system_clock().now(), limit);
      reactor.turn();
    }
  }
  std::expected<Server::Settled, XdsError> settle(const ContextId& context,
                                                  base::Duration limit = seconds(20)) {
    return reactor.block_on(server->settled(context, limit));
  }
  /// Publishes and waits until the one proxy has it.
  void publish(const Snapshot& snapshot) {
    server->publish("local", share(snapshot));
    auto settled = settle(snapshot.context);
    ASSERT_TRUE(settled) << settled.error().detail;
  }
  void connect_first() {
    until([&] { return client->status().connected; });
  }
  bool has(const Snapshot& snapshot) {
    auto found = applied.find(snapshot.context);
    return found != applied.end() && *found->second == snapshot;
  }

  runtime::Reactor reactor;
  std::unique_ptr<Server> server;
  runtime::Scope connections;
  std::map<ContextId, SnapshotPtr> applied;
  std::vector<std::string> removed;
  /// By listener: nothing is under way there any more.
  std::map<std::string, runtime::Event> resting;
  std::string refusal;
  runtime::Event* hold = nullptr;
  bool is_applying = false;
  int applies = 0;
  int begun = 0;
  std::optional<Client> client;
  runtime::Scope proxy;
};

}  // namespace weft::xds
