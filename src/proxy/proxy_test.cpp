// The whole data plane with its threads and real sockets on loopback.
#include "proxy/proxy.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <list>
#include <set>

#include "http/client.h"
#include "http/server.h"
#include "proxy/admin.h"
#include "runtime/combine.h"
#include "runtime/scope.h"
#include "runtime/socket.h"

namespace weft::proxy {
namespace {

using namespace std::chrono_literals;
using runtime::Task;
using ::testing::HasSubstr;

/// A server on a port of its own that answers with its name.
struct TestServer {
  TestServer(runtime::Reactor& reactor, std::string answer)
      : name(std::move(answer)),
        server(reactor, [this](http::Exchange& exchange) { return handle(exchange); }),
        acceptor(reactor, *runtime::listen_on(base::Address::loopback(0))),
        address(acceptor.address()) {
    scope.spawn(run());
  }
  Task<void> run() { co_await server.serve(acceptor); }
  Task<void> handle(http::Exchange& exchange) {
    ++requests;
    co_await exchange.reply(200, {}, name);
  }

  std::string name;
  std::size_t requests = 0;
  http::Server server;
  runtime::Acceptor acceptor;
  base::Address address;
  runtime::Scope scope;
};

/// A port of loopback that was free a moment ago.
base::Address free_address() {
  return runtime::local_address(runtime::listen_on(base::Address::loopback(0))->get());
}

class ProxyTest : public ::testing::Test {
 protected:
  ProxyTest() {
    Options options;
    options.workers = 2;
    proxy_.emplace(reactor_, options, source_);
  }
  ~ProxyTest() override { proxy_.reset(); }

  static snapshot::SnapshotPtr context(snapshot::ContextId id, snapshot::Direction direction,
                                       base::Address listen, std::vector<base::Address> endpoints) {
    auto snapshot = std::make_shared<snapshot::Snapshot>();
    snapshot->context = std::move(id);
    auto& listener = snapshot->listeners.emplace_back();
    listener.name = "l";
    listener.address = std::move(listen);
    listener.direction = direction;
    listener.routes = "r";
    listener.service = "web";
    listener.service_ns = "default";
    auto& table = snapshot->routes.emplace_back();
    table.name = "r";
    auto& route =
        table.virtual_hosts.emplace_back("any", std::vector<std::string>{"*"}, std::vector<snapshot::Route>{})
            .routes.emplace_back();
    route.name = "any";
    route.action = snapshot::forward_to("c");
    auto& cluster = snapshot->clusters.emplace_back();
    cluster.name = "c";
    cluster.service = "web";
    cluster.service_ns = "default";
    for (auto& address : endpoints) cluster.endpoints.emplace_back().address = std::move(address);
    return snapshot;
  }
  static snapshot::SnapshotPtr edge(base::Address listen, std::vector<base::Address> endpoints) {
    return context(snapshot::edge_context, snapshot::Direction::edge, std::move(listen),
                   std::move(endpoints));
  }

  std::expected<void, std::string> apply(snapshot::SnapshotPtr snapshot) {
    return reactor_.block_on(proxy_->apply(std::move(snapshot)));
  }
  /// The body of one GET, or the status, or the error.
  static Task<std::string> fetch(http::Client& client) {
    const auto response = co_await client.send({});
    if (!response) co_return "error: " + response.error().detail;
    co_return response->status == 200 ? response->body : std::to_string(response->status);
  }
  std::string get(const base::Address& address) {
    http::Client client(reactor_, address);
    return reactor_.block_on(fetch(client));
  }
  std::uint64_t total(std::string_view name, const telemetry::Labels& labels = {}) {
    return reactor_.block_on(proxy_->metrics()).total(name, labels);
  }

  runtime::Reactor reactor_;
  BindingListenerSource source_;
  std::optional<Proxy> proxy_;
};

TEST_F(ProxyTest, CarriesRequestsAndCountsThemExactly) {
  TestServer server(reactor_, "hello");
  const auto listen = free_address();
  ASSERT_EQ(apply(edge(listen, {server.address})), (std::expected<void, std::string>{}));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(get(listen), "hello");
  EXPECT_EQ(total("istio_requests_total", {{"reporter", "source"}, {"source_workload", "edge"}}), 20U);
  EXPECT_EQ(total("weft_downstream_connections_total"), 20U);
  EXPECT_EQ(proxy_->listeners().size(), 1U);
  const auto endpoints = reactor_.block_on(proxy_->endpoints());
  ASSERT_EQ(endpoints.size(), 1U);
  EXPECT_EQ(endpoints[0].requests, 20U);
}

TEST_F(ProxyTest, BothChainsInOneProcess) {
  TestServer server(reactor_, "hello");
  const auto listen = free_address();
  const auto inbound = free_address();
  ASSERT_TRUE(apply(context({"default", "web"}, snapshot::Direction::inbound, inbound, {server.address})));
  ASSERT_TRUE(apply(edge(listen, {inbound})));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(get(listen), "hello");
  EXPECT_EQ(total("istio_requests_total", {{"reporter", "source"}, {"destination_workload", "web"}}), 10U);
  EXPECT_EQ(total("istio_requests_total", {{"reporter", "destination"}, {"source_workload", "edge"}}), 10U);
  EXPECT_EQ(get(inbound), "hello") << "the inbound listener is open to other processes too";
  EXPECT_EQ(total("istio_requests_total", {{"reporter", "destination"}, {"source_workload", "unknown"}}), 1U);
}

TEST_F(ProxyTest, FewLongConnectionsSpreadEvenly) {
  TestServer server(reactor_, "hello");
  const auto listen = free_address();
  ASSERT_TRUE(apply(edge(listen, {server.address})));
  std::list<http::Client> clients;
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(reactor_.block_on(fetch(clients.emplace_back(reactor_, listen))), "hello");
  for (const auto* worker : {"0", "1"}) EXPECT_EQ(total("weft_worker_connections", {{"worker", worker}}), 4U);
  clients.clear();
  while (total("weft_worker_connections") > 0) {
  }
}

TEST_F(ProxyTest, AddressInUseLeavesTheOldSnapshotInForce) {
  TestServer server(reactor_, "hello");
  const auto listen = free_address();
  ASSERT_TRUE(apply(edge(listen, {server.address})));
  const auto result = apply(edge(server.address, {}));
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error(), HasSubstr(server.address.to_string()));
  EXPECT_THAT(result.error(), HasSubstr("in use"));
  EXPECT_EQ(get(listen), "hello");
  EXPECT_EQ(proxy_->snapshots().at(0)->listeners[0].address, listen);
}

TEST_F(ProxyTest, InvalidSnapshotIsRefused) {
  auto snapshot = std::make_shared<snapshot::Snapshot>(*edge(free_address(), {}));
  snapshot->listeners[0].routes = "gone";
  const auto result = apply(snapshot);
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error(), HasSubstr("gone"));
}

TEST_F(ProxyTest, ListenersComeAndGo) {
  TestServer server(reactor_, "hello");
  const auto first = free_address();
  ASSERT_TRUE(apply(edge(first, {server.address})));
  EXPECT_EQ(get(first), "hello");
  const auto second = free_address();
  ASSERT_TRUE(apply(edge(second, {server.address})));
  EXPECT_EQ(get(second), "hello");
  EXPECT_THAT(get(first), HasSubstr("error"));
  auto renamed = std::make_shared<snapshot::Snapshot>(*edge(second, {server.address}));
  renamed->listeners[0].name = "other";
  ASSERT_EQ(apply(renamed), (std::expected<void, std::string>{}));
  EXPECT_EQ(get(second), "hello");
  reactor_.block_on(proxy_->remove(snapshot::edge_context));
  EXPECT_THAT(get(second), HasSubstr("error"));
  EXPECT_TRUE(proxy_->snapshots().empty());
}

/// Opens each address once.
class OnceSource final : public ListenerSource {
 public:
  Task<runtime::IoResult<runtime::Fd>> open(std::string, base::Address address) override {
    if (!opened_.insert(address).second) co_return runtime::io_error(EADDRINUSE);
    co_return runtime::listen_on(address);
  }

 private:
  std::set<base::Address> opened_;
};

TEST_F(ProxyTest, RenamedListenerIsNotOpenedAgain) {
  TestServer server(reactor_, "hello");
  OnceSource source;
  proxy_.emplace(reactor_, Options{.workers = 2}, source);
  const auto listen = free_address();
  ASSERT_TRUE(apply(edge(listen, {server.address})));
  http::Client kept(reactor_, listen);
  EXPECT_EQ(reactor_.block_on(fetch(kept)), "hello");
  auto renamed = std::make_shared<snapshot::Snapshot>(*edge(listen, {server.address}));
  renamed->listeners[0].name = "other";
  EXPECT_EQ(apply(renamed), (std::expected<void, std::string>{}));
  EXPECT_EQ(reactor_.block_on(fetch(kept)), "hello");
  for (int i = 0; i < 8; ++i) EXPECT_EQ(get(listen), "hello");
}

TEST_F(ProxyTest, ListenersThatExchangeAddressesAreNotOpenedAgain) {
  TestServer one(reactor_, "1");
  TestServer two(reactor_, "2");
  OnceSource source;
  proxy_.emplace(reactor_, Options{.workers = 2}, source);
  const auto first = free_address();
  const auto second = free_address();
  // Listeners "a" and "b" with a cluster of the same name each.
  const auto exchange = [&](const base::Address& of_a, const base::Address& of_b) {
    snapshot::Snapshot both;
    both.context = snapshot::edge_context;
    for (const auto& [name, listen, server] :
         {std::tuple("a", of_a, one.address), std::tuple("b", of_b, two.address)}) {
      const auto part = edge(listen, {server});
      auto listener = part->listeners[0];
      listener.name = listener.routes = name;
      auto table = part->routes[0];
      table.name = name;
      table.virtual_hosts[0].routes[0].action = snapshot::forward_to(name);
      auto cluster = part->clusters[0];
      cluster.name = name;
      both.listeners.push_back(listener);
      both.routes.push_back(table);
      both.clusters.push_back(cluster);
    }
    EXPECT_EQ(apply(std::make_shared<const snapshot::Snapshot>(both)), (std::expected<void, std::string>{}));
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(get(of_a), "1");
      EXPECT_EQ(get(of_b), "2");
    }
  };
  exchange(first, second);
  exchange(second, first);
  exchange(first, second);
}

TEST_F(ProxyTest, ListenerThatMovesEndsItsConnections) {
  TestServer server(reactor_, "hello");
  auto at = free_address();
  ASSERT_TRUE(apply(edge(at, {server.address})));
  std::list<http::Client> clients;
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(reactor_.block_on(fetch(clients.emplace_back(reactor_, at))), "hello");
    const auto before = std::exchange(at, free_address());
    ASSERT_TRUE(apply(edge(at, {server.address})));
    EXPECT_EQ(get(at), "hello");
    EXPECT_THAT(get(before), HasSubstr("error"));
  }
  EXPECT_EQ(total("weft_downstream_connections_active"), 0U);
}

Task<void> keep_getting(http::Client& client, std::vector<std::string>& answers, const bool& stop) {
  while (!stop) {
    const auto response = co_await client.send({});
    answers.push_back(!response ? response.error().detail : response->status == 200 ? "" : response->body);
  }
}

TEST_F(ProxyTest, SnapshotSwapsUnderLoadFailNothing) {
  TestServer one(reactor_, "1");
  TestServer two(reactor_, "2");
  const auto listen = free_address();
  ASSERT_TRUE(apply(edge(listen, {one.address})));
  bool stop = false;
  std::vector<std::string> answers;
  std::list<http::Client> clients;
  runtime::Scope scope;
  for (int i = 0; i < 4; ++i)
    scope.spawn(keep_getting(clients.emplace_back(reactor_, listen), answers, stop));
  for (int i = 0; i < 100; ++i) {
    const auto endpoints = i % 3 == 0   ? std::vector{one.address}
                           : i % 3 == 1 ? std::vector{two.address}
                                        : std::vector{one.address, two.address};
    ASSERT_TRUE(apply(edge(listen, endpoints)));
  }
  while (answers.size() < 100) reactor_.turn();
  stop = true;
  reactor_.block_on(scope.join());
  for (const auto& answer : answers) EXPECT_EQ(answer, "");
  EXPECT_EQ(one.requests + two.requests, answers.size());
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "200"}}), answers.size());
}

TEST_F(ProxyTest, DrainEndsWhenAllIsFinished) {
  TestServer server(reactor_, "hello");
  const auto listen = free_address();
  ASSERT_TRUE(apply(edge(listen, {server.address})));
  http::Client client(reactor_, listen);
  EXPECT_EQ(reactor_.block_on(fetch(client)), "hello");
  EXPECT_FALSE(proxy_->is_draining());
  reactor_.block_on(proxy_->drain(10s));
  EXPECT_TRUE(proxy_->is_draining());
  EXPECT_THAT(get(listen), HasSubstr("error"));
}

TEST_F(ProxyTest, DrainCutsAtItsDeadline) {
  const auto listening = runtime::listen_on(base::Address::loopback(0));  // accepts, and never answers
  const auto listen = free_address();
  ASSERT_TRUE(apply(edge(listen, {runtime::local_address(listening->get())})));
  http::Client client(reactor_, listen);
  std::string answer;
  runtime::Scope scope;
  scope.spawn(
      [](http::Client& of, std::string& into) -> Task<void> { into = co_await fetch(of); }(client, answer));
  while (total("weft_requests_active") == 0) {
  }
  reactor_.block_on(proxy_->drain(50ms));
  reactor_.block_on(scope.join());
  EXPECT_THAT(answer, HasSubstr("error"));
}

TEST_F(ProxyTest, DrainedWhenItsListenersRequestsHaveEnded) {
  const auto listening = runtime::listen_on(base::Address::loopback(0));  // accepts, and never answers
  const auto listen = free_address();
  const auto snapshot = context({"default", "web"}, snapshot::Direction::inbound, listen,
                                {runtime::local_address(listening->get())});
  ASSERT_TRUE(apply(snapshot));
  const auto drained = [&] { return proxy_->drained(snapshot->context, "l"); };
  reactor_.block_on(drained());  // it does not drain
  auto next = *snapshot;
  next.listeners[0].drain = 1h;
  http::Client client(reactor_, listen);
  runtime::Scope request;
  request.spawn([](http::Client& of) -> Task<void> { (void)co_await fetch(of); }(client));
  while (total("weft_requests_active") == 0) {
  }
  ASSERT_TRUE(apply(std::make_shared<snapshot::Snapshot>(next)));
  EXPECT_FALSE(reactor_.block_on(runtime::within(reactor_, 20ms, drained())));
  runtime::Scope waiting;
  bool is_drained = false;
  waiting.spawn([](Task<void> task, bool* into) -> Task<void> {
    co_await std::move(task);
    *into = true;
  }(drained(), &is_drained));
  request.cancel();
  reactor_.block_on(waiting.join());
  EXPECT_TRUE(is_drained);
}

TEST_F(ProxyTest, DrainedThoughAnOpaqueConnectionStaysOpen) {
  const auto listening = runtime::listen_on(base::Address::loopback(0));
  const auto listen = free_address();
  auto snapshot = *context({"default", "web"}, snapshot::Direction::inbound, listen,
                           {runtime::local_address(listening->get())});
  snapshot.listeners[0].protocol = snapshot::ListenerProtocol::tcp;
  snapshot.clusters[0].protocol = snapshot::ClusterProtocol::tcp;
  snapshot.listeners[0].cluster = "c";
  snapshot.listeners[0].routes.clear();
  snapshot.routes = {};
  snapshot.listeners[0].drain = 50ms;
  ASSERT_TRUE(apply(std::make_shared<snapshot::Snapshot>(snapshot)));
  const auto client = reactor_.block_on(runtime::connect(reactor_, listen, 10s));
  ASSERT_TRUE(client);
  while (total("istio_tcp_connections_opened_total") == 0) {
  }
  const auto began = base::system_clock().now();
  reactor_.block_on(proxy_->drained(snapshot.context, "l"));
  EXPECT_GE(base::system_clock().now() - began, 50ms);
}

/// Sends much to whoever comes.
Task<void> send_much(runtime::Acceptor& acceptor, std::size_t size) {
  runtime::Scope scope;
  std::list<std::unique_ptr<runtime::Stream>> streams;
  while (auto stream = co_await acceptor.accept()) {
    auto& kept = *streams.emplace_back(std::move(*stream));
    scope.spawn([](runtime::Stream& to, std::size_t bytes) -> Task<void> {
      co_await runtime::write_all(to, std::string(bytes, 'x'));
    }(kept, size));
  }
}

Task<void> receive_much(runtime::Stream& from, std::size_t size) {
  std::vector<char> into(1 << 20);
  while (size > 0) {
    const auto got = co_await runtime::read(from, into);
    if (!got || *got == 0) co_return;
    size -= *got;
  }
}

TEST_F(ProxyTest, OpaqueConnectionsAtRestKeepNoPipes) {
  constexpr std::size_t bytes = 8 << 20;
  constexpr std::size_t connections = 40;
  runtime::Acceptor acceptor(reactor_, *runtime::listen_on(base::Address::loopback(0)));
  runtime::Scope scope;
  scope.spawn(send_much(acceptor, bytes));
  const auto address = free_address();
  auto snapshot = *edge(address, {acceptor.address()});
  snapshot.listeners[0].protocol = snapshot::ListenerProtocol::tcp;
  snapshot.clusters[0].protocol = snapshot::ClusterProtocol::tcp;
  snapshot.listeners[0].cluster = "c";
  snapshot.listeners[0].routes.clear();
  snapshot.routes = {};
  ASSERT_TRUE(apply(std::make_shared<const snapshot::Snapshot>(snapshot)));
  std::vector<std::unique_ptr<runtime::Stream>> clients;
  for (std::size_t i = 0; i < connections; ++i) {
    clients.push_back(*reactor_.block_on(runtime::connect(reactor_, address, 5s)));
    reactor_.block_on(receive_much(*clients.back(), bytes));
  }
  EXPECT_GE(total("weft_splice_pipes"), 1U);
  EXPECT_LE(total("weft_splice_pipes"), 4U);  // one under way at a time on each worker
}

TEST_F(ProxyTest, AdminPages) {
  TestServer server(reactor_, "hello");
  const auto listen = free_address();
  ASSERT_TRUE(apply(edge(listen, {server.address})));
  get(listen);
  const auto socket =
      base::Address::unix_path(testing::TempDir() + "/weft-admin-" + std::to_string(::getpid()));
  bool drained = false;
  runtime::Scope scope;
  scope.spawn([](auto& reactor, auto& proxy, auto address, bool& flag) -> Task<void> {
    co_await serve_admin(reactor, proxy, {address}, [&flag] { flag = true; });
  }(reactor_, *proxy_, socket, drained));
  http::Client client(reactor_, socket);
  const auto ask = [&](message::Method method, std::string target) {
    const auto response = reactor_.block_on(client.send({method, std::move(target), {}, {}}));
    return response ? std::to_string(response->status) + " " + response->body : response.error().detail;
  };
  using message::Method;
  EXPECT_EQ(ask(Method::get, "/ready"), "200 ready\n");
  EXPECT_THAT(ask(Method::get, "/stats/prometheus"), HasSubstr("istio_requests_total{reporter=\"source\""));
  EXPECT_THAT(ask(Method::get, "/config_dump"), HasSubstr("\"context\": \"weft-system/edge\""));
  EXPECT_THAT(ask(Method::get, "/clusters"), HasSubstr(server.address.to_string()));
  EXPECT_THAT(ask(Method::get, "/listeners"), HasSubstr(listen.to_string()));
  EXPECT_THAT(ask(Method::get, "/memory"), HasSubstr("residentBytes"));
  EXPECT_THAT(ask(Method::get, "/nothing"), HasSubstr("404"));
  EXPECT_THAT(ask(Method::post, "/ready"), HasSubstr("405"));
  EXPECT_THAT(ask(Method::post, "/logging?level=loud"), HasSubstr("400"));
  EXPECT_EQ(ask(Method::post, "/logging?level=info"), "200 ok\n");
  EXPECT_EQ(ask(Method::post, "/drain"), "200 draining\n");
  EXPECT_TRUE(drained);
  ::unlink(socket.path().c_str());
}

TEST_F(ProxyTest, AdminSocketsOfTwoLivesAtOnePath) {
  const auto folder = std::filesystem::path(testing::TempDir()) / fmt::format("weft-admin-{}.d", ::getpid());
  std::filesystem::create_directory(folder);
  const auto path = folder / "admin.sock";
  // One that was killed, and one that lives.
  const auto dead = folder / "admin.4194304.sock";
  const auto living = folder / fmt::format("admin.{}.sock", ::getppid());
  for (const auto& file : {dead, living}) std::ofstream(file) << "";
  std::filesystem::create_symlink(dead.filename(), path);
  runtime::Scope scope;
  scope.spawn([](auto& reactor, auto& proxy, auto address) -> Task<void> {
    co_await serve_admin(reactor, proxy, {.address = address, .is_shared = true}, {});
  }(reactor_, *proxy_, base::Address::unix_path(path)));
  EXPECT_FALSE(std::filesystem::exists(dead));
  EXPECT_TRUE(std::filesystem::exists(living));
  http::Client client(reactor_, base::Address::unix_path(path));
  const auto response = reactor_.block_on(client.send({message::Method::get, "/ready", {}, {}}));
  EXPECT_EQ(response ? response->body : response.error().detail, "ready\n");

  // The next one publishes itself; what ends then leaves that alone.
  std::filesystem::rename(path, folder / "before");
  std::filesystem::create_symlink(living.filename(), path);
  scope.cancel();
  EXPECT_EQ(std::filesystem::read_symlink(path), living.filename());
  EXPECT_FALSE(std::filesystem::exists(folder / fmt::format("admin.{}.sock", ::getpid())));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace weft::proxy
