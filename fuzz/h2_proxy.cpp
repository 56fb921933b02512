// A client's connection of HTTP/2 to the whole proxy, whatever bytes it sends, in front of services of
// HTTP/1.1 and, for paths that begin with "/2", of HTTP/2: what comes to them must be valid to a strict
// reader, and all that was begun must end.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "http/h1/reader.h"
#include "http/h2/connection.h"
#include "proxy/worker.h"
#include "runtime/combine.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "runtime/stream.h"

namespace {

using namespace weft;
using runtime::Task;

constexpr std::uint16_t http1_port = 1;
constexpr std::uint16_t http2_port = 2;
/// A client's stream may wait this long for a service that waits for more.
constexpr auto longer_than_any_limit = std::chrono::hours(2);

void require(bool ok) {
  if (!ok) std::abort();
}

Task<void> answer_http1(std::unique_ptr<runtime::Stream> stream) {
  http::h1::RequestReader reader(*stream);
  while (true) {
    const auto head = co_await reader.read_head();
    if (!head) {
      require(head.error().kind != http::ReadError::Kind::refused);
      co_return;
    }
    std::string body;
    while (!reader.body_done()) {
      const auto piece = co_await reader.read_body();
      if (!piece) {
        require(piece.error().kind != http::ReadError::Kind::refused);
        co_return;
      }
      body += *piece;
    }
    const bool is_head = reader.head().method == message::Method::head;
    auto answer = "HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n";
    if (!is_head) answer += body;
    if (!co_await runtime::write_all(*stream, std::move(answer))) co_return;
  }
}

Task<void> echo(http::h2::ServerStream stream) {
  stream.put_head({.status = 200}, message::Content::unknown());
  while (true) {
    const auto piece = co_await stream.read_body();
    if (!piece) co_return;
    const bool last = stream.body_done();
    if (!co_await stream.write(*piece, last, &stream.trailers()) || last) co_return;
  }
}

struct Http2Service {
  explicit Http2Service(http::h2::Connection made) : connection(std::move(made)) {}
  http::h2::Connection connection;
  runtime::Scope scope;
};

Task<void> answer_http2(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> stream) {
  Http2Service service(
      http::h2::Connection::server(reactor, std::move(stream), {.takes_extended_connect = true}));
  while (auto request = co_await service.connection.accept()) service.scope.spawn(echo(std::move(*request)));
  // EPROTO: this side has refused what the proxy sent.
  const auto& error = service.connection.error();
  require(error.kind != http::ReadError::Kind::io || error.io.code != EPROTO);
}

snapshot::Cluster cluster(std::string name, std::uint16_t port, snapshot::ClusterProtocol protocol) {
  snapshot::Cluster made;
  made.name = std::move(name);
  made.protocol = protocol;
  made.endpoints.emplace_back().address = base::Address::loopback(port);
  return made;
}

snapshot::Snapshot configuration() {
  snapshot::Snapshot made;
  made.context = snapshot::edge_context;
  auto& listener = made.listeners.emplace_back();
  listener.name = "in";
  listener.address = base::Address::loopback(3);
  listener.direction = snapshot::Direction::edge;
  listener.routes = "all";
  auto& table = made.routes.emplace_back();
  table.name = "all";
  auto& host = table.virtual_hosts.emplace_back();
  host.name = "any";
  host.domains = {"*"};
  auto& second = host.routes.emplace_back();
  second.name = "second";
  second.match.path = "/2";
  second.action = snapshot::forward_to("second");
  auto& first = host.routes.emplace_back();
  first.name = "first";
  first.action = snapshot::forward_to("first");
  made.clusters.push_back(cluster("first", http1_port, snapshot::ClusterProtocol::http1));
  made.clusters.push_back(cluster("second", http2_port, snapshot::ClusterProtocol::http2));
  return made;
}

struct Machine {
  Machine() : worker(reactor, parts()) {
    const auto snapshot = std::make_shared<const snapshot::Snapshot>(configuration());
    plan = std::make_shared<const proxy::Plan>(snapshot, nullptr);
    worker.apply(snapshot->context, plan);
  }
  proxy::WorkerParts parts() {
    proxy::WorkerParts made;
    made.connect = [this](runtime::Reactor& on, base::Address to, base::Duration) {
      return open(on, to.port());
    };
    return made;
  }
  Task<runtime::IoResult<std::unique_ptr<runtime::Stream>>> open(runtime::Reactor& on, std::uint16_t port) {
    auto [near, far] = runtime::memory_pair(on);
    services.spawn(port == http2_port ? answer_http2(on, std::move(far)) : answer_http1(std::move(far)));
    co_return std::move(near);
  }
  void settle() {
    while (reactor.poll()) {
    }
  }

  base::ManualClock clock;
  runtime::Reactor reactor{clock};
  runtime::Scope services;
  proxy::PlanPtr plan;
  proxy::Worker worker;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Machine machine;
  auto [client, transport] = runtime::memory_pair(machine.reactor);
  machine.worker.serve(machine.worker.find_listener(snapshot::edge_context, (*machine.plan->numbers)[0]),
                       std::move(transport), {});
  // A split at one place stands for all: it comes from the input itself.
  const auto cut = size > 0 ? data[size - 1] % size : 0;
  for (const auto part : {bytes.substr(0, cut), bytes.substr(cut)}) {
    const iovec vector{const_cast<char*>(part.data()), part.size()};
    (void)client->try_write({&vector, 1});
    machine.settle();
    std::array<char, 65536> answers{};
    while (const auto read = client->try_read(answers)) {
      if (*read == 0) break;
      machine.settle();
    }
  }
  client.reset();
  machine.settle();
  machine.clock.advance(longer_than_any_limit);
  machine.settle();
  return 0;
}
