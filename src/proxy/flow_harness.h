// For flow tests: a worker over memory transports with a hand-driven clock, with clients and backends that a
// test scripts.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "http/h1/reader.h"
#include "http/h2/connection.h"
#include "proxy/worker.h"
#include "runtime/combine.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "runtime/stream.h"

namespace weft::proxy::testing {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

/// One end of a connection in a test's hand.
class Wire {
 public:
  Wire(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> stream)
      : reactor_(reactor), stream_(std::move(stream)) {}

  void send(std::string_view text) {
    scope_.spawn(write(std::string(text)));
    settle();
  }
  /// What has come since the last call.
  std::string receive() {
    settle();
    std::string text;
    char buffer[4096];
    while (stream_) {
      const auto size = stream_->try_read(buffer);
      if (!size) {
        is_broken_ = !size.error().would_block();
        break;
      }
      if (*size == 0) {
        is_ended_ = true;
        break;
      }
      text.append(buffer, *size);
      settle();
    }
    return text;
  }
  /// Sends and ends with nothing running in between; for what fits into the pipe. `close`: takes nothing more
  /// either.
  void send_last(std::string text, bool close) {
    iovec part{text.data(), text.size()};
    EXPECT_EQ(stream_->try_write({&part, 1}).value_or(0), text.size());
    stream_->shutdown_write();
    if (close) stream_.reset();
    settle();
  }
  std::string exchange(std::string_view text) {
    send(text);
    return receive();
  }
  /// The peer has ended or broken the connection, and all that came before was received.
  bool is_closed() {
    receive();
    return is_ended_ || is_broken_;
  }
  /// The same, but not by a clean end.
  bool is_reset() { return is_closed() && is_broken_; }
  void shutdown() {
    stream_->shutdown_write();
    settle();
  }
  /// Takes that many bytes of what has come, and no more.
  void take(std::size_t size) {
    std::string bytes(size, 0);
    if (size > 0) EXPECT_EQ(stream_->try_read(bytes).value_or(0), size);
    settle();
  }
  void close() {
    scope_.cancel();
    stream_.reset();
    settle();
  }
  void reset() {
    stream_->reset_at_close(true);
    close();
  }
  void settle() {
    while (reactor_.poll()) {
    }
  }
  runtime::Stream& stream() { return *stream_; }
  /// For who drives it himself from here on.
  std::unique_ptr<runtime::Stream> take() { return std::move(stream_); }

 private:
  runtime::Task<void> write(std::string text) { co_await runtime::write_all(*stream_, std::move(text)); }

  runtime::Reactor& reactor_;
  std::unique_ptr<runtime::Stream> stream_;
  runtime::Scope scope_;
  bool is_ended_ = false;
  bool is_broken_ = false;
};

inline base::Address address(int number) {
  return base::Address::ipv4({10, 0, 0, static_cast<std::uint8_t>(number)}, 80);
}

/// A server that answers each request with 200 and its own name, or as its script says.
struct Backend {
  enum class Mode { answer, refuse, hang_connect, by_hand, h2 };
  Mode mode = Mode::answer;
  std::string name;
  /// How long connecting to it takes.
  base::Duration connect_time{};
  /// Bytes that each direction of a connection to it holds.
  std::size_t capacity = 65536;
  http::h2::Limits h2_limits{.takes_extended_connect = true};
  /// The heads that have come, as text.
  std::vector<std::string> requests;
  std::size_t connections = 0;
  /// The connections of Mode::by_hand, in order.
  std::vector<std::unique_ptr<Wire>> wires;
  /// The same of Mode::h2.
  std::vector<http::h2::Connection> sessions;
};

class Flow : public ::testing::Test {
 protected:
  Flow() : worker_(std::in_place, reactor_, parts()) {}
  ~Flow() override { worker_.reset(); }

  static Limits limits() { return {}; }

  Backend& backend(int number) {
    auto& backend = backends_[address(number)];
    if (backend.name.empty()) backend.name = "b" + std::to_string(number);
    return backend;
  }

  static snapshot::Cluster cluster(std::string name, std::vector<int> endpoints,
                                   snapshot::LoadBalancing policy = snapshot::LoadBalancing::round_robin) {
    snapshot::Cluster cluster;
    cluster.name = std::move(name);
    cluster.load_balancing = policy;
    cluster.service = "web";
    cluster.service_ns = "default";
    for (const int number : endpoints) {
      auto& endpoint = cluster.endpoints.emplace_back();
      endpoint.address = address(number);
      endpoint.instance = "web-" + std::to_string(number);
    }
    return cluster;
  }

  /// A Snapshot of one HTTP listener "in" whose requests all go to cluster "app" with these endpoints.
  static snapshot::Snapshot simple(std::vector<int> endpoints,
                                   snapshot::Direction direction = snapshot::Direction::outbound) {
    snapshot::Snapshot snapshot;
    snapshot.context = {"default", "shop"};
    auto& listener = snapshot.listeners.emplace_back();
    listener.name = "in";
    listener.address = address(200);
    listener.direction = direction;
    listener.routes = "all";
    listener.service = "web";
    listener.service_ns = "default";
    auto& table = snapshot.routes.emplace_back();
    table.name = "all";
    auto& host = table.virtual_hosts.emplace_back();
    host.name = "any";
    host.domains = {"*"};
    auto& route = host.routes.emplace_back();
    route.name = "any";
    route.action = snapshot::forward_to("app");
    snapshot.clusters.push_back(cluster("app", std::move(endpoints)));
    return snapshot;
  }

  /// What the first route of that table does, in a Snapshot as simple() makes it.
  static snapshot::Forward& forward(snapshot::Snapshot& snapshot, std::size_t table = 0) {
    return std::get<snapshot::Forward>(snapshot.routes[table].virtual_hosts[0].routes[0].action);
  }

  void apply(snapshot::Snapshot snapshot) {
    const auto pointer = std::make_shared<const snapshot::Snapshot>(std::move(snapshot));
    auto& plan = plans_[pointer->context];
    plan = std::make_shared<const Plan>(pointer, plan.get());
    worker_->apply(pointer->context, plan);
    settle();
  }
  LocalPtr<ListenerState> find_listener(const std::string& name,
                                        const snapshot::ContextId& id = {"default", "shop"}) const {
    const auto& plan = *plans_.at(id);
    const auto place = plan.snapshot->listeners.place(name);
    return place ? worker_->find_listener(id, (*plan.numbers)[*place]) : LocalPtr<ListenerState>();
  }

  /// A client's connection to a listener.
  std::unique_ptr<runtime::Stream> dial(const std::string& listener = "in",
                                        const snapshot::ContextId& id = {"default", "shop"}) {
    auto [near, far] = runtime::memory_pair(reactor_);
    worker_->serve(find_listener(listener, id), std::move(far), {});
    return std::move(near);
  }
  Wire connect(const std::string& listener = "in", const snapshot::ContextId& id = {"default", "shop"}) {
    return {reactor_, dial(listener, id)};
  }
  /// One GET on a connection of its own.
  std::string get(std::string_view path = "/") {
    auto wire = connect();
    return wire.exchange("GET " + std::string(path) + " HTTP/1.1\r\nhost: web\r\n\r\n");
  }

  void settle() {
    while (reactor_.poll()) {
    }
  }
  void advance(base::Duration by) {
    clock_.advance(by);
    settle();
  }
  std::uint64_t total(std::string_view name, const telemetry::Labels& labels = {}) {
    return worker_->samples().total(name, labels);
  }

  base::ManualClock clock_;
  runtime::Reactor reactor_{clock_};
  std::map<base::Address, Backend> backends_;
  std::map<snapshot::ContextId, PlanPtr> plans_;
  runtime::Scope backend_scope_;
  std::optional<Worker> worker_;

 private:
  WorkerParts parts() {
    WorkerParts parts;
    parts.limits = limits();
    // The first numbers that follow from it are small, so that the first turn begins with a cluster's first
    // endpoint.
    parts.seed = 15981;
    parts.connect = [this](runtime::Reactor&, base::Address to, base::Duration limit) {
      return open(std::move(to), limit);
    };
    return parts;
  }
  runtime::Task<runtime::IoResult<std::unique_ptr<runtime::Stream>>> open(base::Address to,
                                                                          base::Duration limit) {
    const auto found = backends_.find(to);
    if (found == backends_.end() || found->second.mode == Backend::Mode::refuse) {
      co_return runtime::io_error(ECONNREFUSED);
    }
    auto& backend = found->second;
    if (backend.mode == Backend::Mode::hang_connect) {
      co_await reactor_.sleep(limit);
      co_return runtime::io_error(ETIMEDOUT);
    }
    if (backend.connect_time > base::Duration::zero()) co_await reactor_.sleep(backend.connect_time);
    ++backend.connections;
    auto [near, far] = runtime::memory_pair(reactor_, backend.capacity);
    if (backend.mode == Backend::Mode::h2) {
      backend.sessions.push_back(http::h2::Connection::server(reactor_, std::move(far), backend.h2_limits));
    } else if (backend.mode == Backend::Mode::by_hand) {
      backend.wires.push_back(std::make_unique<Wire>(reactor_, std::move(far)));
    } else {
      backend_scope_.spawn(answer(backend, std::move(far)));
    }
    co_return std::move(near);
  }
  static runtime::Task<void> answer(Backend& backend, std::unique_ptr<runtime::Stream> stream) {
    http::h1::RequestReader reader(*stream);
    while (co_await reader.read_head()) {
      std::string head(reader.head().method_text());
      head += " " + reader.head().target + "\n";
      for (const auto field : reader.head().headers) {
        head += std::string(field.name) + ": " + std::string(field.value) + "\n";
      }
      backend.requests.push_back(head);
      std::string body;
      while (true) {
        const auto piece = co_await reader.read_body();
        if (!piece) co_return;
        body += *piece;
        if (reader.body_done()) break;
      }
      const auto text = backend.name + (body.empty() ? "" : ":" + body);
      const bool is_head = reader.head().method == message::Method::head;
      const auto sent = co_await runtime::write_all(
          *stream, "HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(text.size()) + "\r\n\r\n" +
                       (is_head ? "" : text));
      if (!sent) co_return;
    }
  }
};

inline constexpr std::string_view get_text = "GET / HTTP/1.1\r\nhost: web\r\n\r\n";
inline const snapshot::ContextId web{"default", "web"};

/// Both chains of a hop in one process.
class ContextFlow : public Flow {
 protected:
  /// The context of workload "web": inbound listener `number` at address(100 + number), whose application is
  /// backend `number`.
  static snapshot::Snapshot web_context(std::vector<int> instances) {
    snapshot::Snapshot snapshot;
    snapshot.context = web;
    for (const int number : instances) {
      const auto name = "inbound/default/web-" + std::to_string(number) + "/80";
      auto part = simple({number}, snapshot::Direction::inbound);
      part.listeners[0].name = name;
      part.listeners[0].routes = name;
      part.listeners[0].address = address(100 + number);
      part.routes[0].name = name;
      part.routes[0].virtual_hosts[0].routes[0].action = snapshot::forward_to(name);
      part.clusters[0].name = name;
      snapshot.listeners.push_back(part.listeners[0]);
      snapshot.routes.push_back(part.routes[0]);
      snapshot.clusters.push_back(part.clusters[0]);
    }
    return snapshot;
  }
  /// The caller's context: its cluster holds the inbound listeners' addresses.
  static snapshot::Snapshot shop_context(std::vector<int> instances) {
    for (auto& number : instances) number += 100;
    return simple(std::move(instances));
  }
};

/// The status of the first response in `text`, 0 if there is none.
inline int status_of_response(std::string_view text) {
  if (!text.starts_with("HTTP/1.1 ") || text.size() < 12) return 0;
  return std::atoi(std::string(text.substr(9, 3)).c_str());
}

/// What follows the first head.
inline std::string body_of(std::string_view text) {
  const auto at = text.find("\r\n\r\n");
  return at == std::string_view::npos ? std::string() : std::string(text.substr(at + 4));
}

}  // namespace weft::proxy::testing
