// Control plane and proxy end to end in one reactor: first configuration, changes, refusals, lost
// connections, restarts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "http/grpc/client.h"
#include "xds/serialize.h"
#include "xds/session_for_test.h"
#include "xds/wire.h"

namespace weft::xds {
namespace {

TEST_F(Session, TheFirstConfigurationArrivesWhole) {
  server->set_contexts("local", {web});
  server->publish("local", share(sample_snapshot(3)));
  connect_first();
  auto settled = settle(web);
  ASSERT_TRUE(settled);
  EXPECT_EQ(settled->proxies, 1u);
  EXPECT_TRUE(has(sample_snapshot(3)));
  EXPECT_EQ(applies, 1) << "in one step";
  EXPECT_EQ(client->status().ignored_fields, 0u);
  auto proxies = server->proxies();
  ASSERT_EQ(proxies.size(), 1u);
  EXPECT_EQ(proxies[0].contexts, 1u);
  EXPECT_EQ(proxies[0].settled, 1u);
}

TEST_F(Session, AnEmptyConfigurationIsOneToo) {
  server->set_contexts("local", {web});
  connect_first();
  publish(sample_snapshot(0));
  EXPECT_TRUE(has(sample_snapshot(0)));
}

TEST_F(Session, SettledWaitsForAProxyThatHasNotAskedYet) {
  connect_first();
  server->publish("local", share(sample_snapshot()));
  server->set_contexts("local", {web});
  EXPECT_FALSE(server->settled_now(web));
  auto settled = settle(web);
  ASSERT_TRUE(settled);
  EXPECT_EQ(settled->proxies, 1u);
}

TEST_F(Session, AnEndpointsChangeSendsOneResource) {
  server->set_contexts("local", {web});
  connect_first();
  auto snapshot = sample_snapshot(5);
  publish(snapshot);
  auto before = server->counters();
  snapshot.clusters[2].endpoints[0].health = snapshot::Health::draining;
  publish(snapshot);
  EXPECT_TRUE(has(snapshot));
  EXPECT_EQ(server->counters().responses - before.responses, 1u);
  EXPECT_EQ(server->counters().resources_sent - before.resources_sent, 1u);
  publish(snapshot);
  EXPECT_EQ(server->counters().responses - before.responses, 1u) << "nothing changed";
}

TEST_F(Session, ServicesComeAndGo) {
  server->set_contexts("local", {web});
  connect_first();
  for (int count : {1, 4, 2, 0, 3}) {
    publish(sample_snapshot(count));
    EXPECT_TRUE(has(sample_snapshot(count))) << count;
  }
  auto moved = sample_snapshot(3);
  moved.listeners[0].name = "edge/default/web/81";
  moved.identity = "spiffe://other";
  publish(moved);
  EXPECT_TRUE(has(moved));
}

TEST_F(Session, ContextsComeAndGo) {
  server->set_contexts("local", {web, cart});
  connect_first();
  publish(sample_snapshot(1, web));
  publish(sample_snapshot(2, cart));
  server->set_contexts("local", {cart});
  until([&] { return !removed.empty(); });
  EXPECT_THAT(removed, testing::ElementsAre("default/web"));
  EXPECT_TRUE(has(sample_snapshot(2, cart)));
  EXPECT_EQ(server->settled_now(web)->error().kind, XdsErrorKind::not_published);
  server->set_contexts("local", {cart, web});
  publish(sample_snapshot(3, web));
  EXPECT_TRUE(has(sample_snapshot(3, web)));
}

TEST_F(Session, ARefusalIsToldAndTheOldStaysInForce) {
  server->set_contexts("local", {web});
  connect_first();
  publish(sample_snapshot(1));
  refusal = "listener edge/default/web/80 (Service default/web spec.ports[0]): address in use";
  server->publish("local", share(sample_snapshot(2)));
  auto settled = settle(web);
  ASSERT_FALSE(settled);
  EXPECT_EQ(settled.error().kind, XdsErrorKind::nacked);
  EXPECT_EQ(settled.error().detail, "proxy local: " + refusal);
  ASSERT_TRUE(server->last_nack(web));
  EXPECT_EQ(server->last_nack(web)->text, refusal);
  EXPECT_EQ(client->status().contexts[0].refused, refusal);
  EXPECT_TRUE(has(sample_snapshot(1)));

  refusal.clear();
  publish(sample_snapshot(3));
  EXPECT_TRUE(has(sample_snapshot(3)));
  EXPECT_FALSE(server->last_nack(web));
  EXPECT_EQ(client->status().contexts[0].refused, "");
}

TEST_F(Session, WhatTheApplicationRefusedIsTriedAgain) {
  server->set_contexts("local", {web});
  connect_first();
  refusal = "too many open files";
  server->publish("local", share(sample_snapshot(1)));
  EXPECT_EQ(settle(web).error().kind, XdsErrorKind::nacked);
  refusal.clear();
  until([&] { return has(sample_snapshot(1)); });
  until([&] {
    const auto now = server->settled_now(web);
    return now && *now && (*now)->proxies == 1;
  });
  EXPECT_EQ(client->status().contexts[0].refused, "");
}

TEST_F(Session, AContextThatGoesWhileItIsAppliedIsRemoved) {
  server->set_contexts("local", {web});
  connect_first();
  runtime::Event held;
  hold = &held;
  server->publish("local", share(sample_snapshot(1)));
  until([&] { return is_applying; });
  server->set_contexts("local", {});
  until([&] { return !removed.empty(); });
  EXPECT_THAT(removed, testing::ElementsAre("default/web"));
}

TEST_F(Session, GoingBackToWhatIsInForceEndsARefusal) {
  server->set_contexts("local", {web});
  connect_first();
  publish(sample_snapshot(1));
  refusal = "no";
  server->publish("local", share(sample_snapshot(2)));
  EXPECT_FALSE(settle(web));
  auto count = applies;
  publish(sample_snapshot(1));
  EXPECT_TRUE(has(sample_snapshot(1)));
  EXPECT_FALSE(server->last_nack(web));
  EXPECT_LE(applies, count + 1);
}

TEST_F(Session, WhatCannotBeReadIsRefusedInTermsOfItsOrigin) {
  server->set_contexts("local", {web});
  connect_first();
  auto bad = sample_snapshot(1);
  bad.listeners[0].address = {};
  server->publish("local", share(bad));
  auto settled = settle(web);
  ASSERT_FALSE(settled);
  EXPECT_THAT(settled.error().detail,
              testing::HasSubstr("edge/default/web/80 (Service default/web spec.ports[0])"));
  publish(sample_snapshot(1));
  EXPECT_TRUE(has(sample_snapshot(1)));
}

TEST_F(Session, ARefusalIsKnownAgainAfterARestart) {
  server->set_contexts("local", {web});
  connect_first();
  publish(sample_snapshot(1));
  refusal = "no";
  server->publish("local", share(sample_snapshot(2)));
  EXPECT_FALSE(settle(web));
  stop_control_plane();
  start_control_plane();
  server->set_contexts("local", {web});
  server->publish("local", share(sample_snapshot(2)));
  until([&] { return server->last_nack(web).has_value(); });
  EXPECT_EQ(settle(web).error().kind, XdsErrorKind::nacked);
  EXPECT_TRUE(has(sample_snapshot(1)));
}

TEST_F(Session, NothingIsSentAgainAfterALostConnection) {
  server->set_contexts("local", {web, cart});
  connect_first();
  publish(sample_snapshot(3, web));
  publish(sample_snapshot(0, cart));
  auto before = server->counters();
  for (int i = 0; i < 3; ++i) {
    cut();
    until([&] { return !client->status().connected; });
    connect_first();
    EXPECT_EQ(settle(web)->proxies, 1u);
    EXPECT_EQ(settle(cart)->proxies, 1u);
  }
  EXPECT_EQ(server->counters().connections - before.connections, 3u);
  EXPECT_EQ(server->counters().resources_sent, before.resources_sent);
  EXPECT_EQ(applies, 2);
}

TEST_F(Session, ARestartedControlPlaneSendsOnlyWhatChanged) {
  server->set_contexts("local", {web, cart});
  connect_first();
  publish(sample_snapshot(3, web));
  publish(sample_snapshot(3, cart));
  stop_control_plane();
  until([&] { return client->status().attempts > 5; });
  EXPECT_TRUE(has(sample_snapshot(3, web))) << "what is known stays";

  start_control_plane();
  auto changed = sample_snapshot(3, web);
  changed.clusters[1].endpoints.clear();
  changed.listeners.pop_back();
  server->publish("local", share(changed));
  connect_first();
  for (int i = 0; i < 50; ++i) reactor.poll();
  EXPECT_THAT(removed, testing::IsEmpty()) << "placements are not known yet";
  EXPECT_EQ(server->counters().responses, 0u);

  server->set_contexts("local", {web});
  EXPECT_EQ(settle(web)->proxies, 1u);
  EXPECT_TRUE(applied.contains(web));
  EXPECT_THAT(removed, testing::ElementsAre("default/cart"));
  EXPECT_EQ(server->counters().resources_sent, 1u) << "the endpoints";
  // The route table that nothing leads to any more is no part of it.
  changed.routes.pop_back();
  EXPECT_TRUE(has(changed));
}

TEST_F(Session, WhileAProxyIsBusyChangesBecomeOne) {
  server->set_contexts("local", {web});
  connect_first();
  publish(sample_snapshot(1));
  runtime::Event go;
  hold = &go;
  server->publish("local", share(sample_snapshot(2)));
  until([&] { return begun == 2; });
  EXPECT_EQ(settle(web, milliseconds(5)).error().kind, XdsErrorKind::timeout);
  auto before = server->counters();
  for (int count = 3; count < 20; ++count) server->publish("local", share(sample_snapshot(count)));
  for (int i = 0; i < 50; ++i) reactor.poll();
  EXPECT_EQ(server->counters().responses, before.responses);
  hold = nullptr;
  go.set();
  EXPECT_TRUE(settle(web));
  EXPECT_TRUE(has(sample_snapshot(19)));
  EXPECT_LE(applies, 3);
}

TEST_F(Session, WithoutAProxyItIsSettledByNobody) {
  proxy.cancel();
  EXPECT_EQ(settle(web).error().kind, XdsErrorKind::not_published);
  server->publish("local", share(sample_snapshot()));
  server->set_contexts("local", {web});
  EXPECT_EQ(settle(web)->proxies, 0u);
}

TEST_F(Session, AHundredContextsGetAnEndpointsChange) {
  std::vector<ContextId> contexts;
  for (int i = 0; i < 100; ++i) contexts.push_back({"default", "w" + std::to_string(i)});
  server->set_contexts("local", contexts);
  connect_first();
  for (const auto& context : contexts) server->publish("local", share(sample_snapshot(3, context)));
  for (const auto& context : contexts) ASSERT_EQ(settle(context)->proxies, 1u);
  auto before = server->counters();
  for (const auto& context : contexts) {
    auto changed = sample_snapshot(3, context);
    changed.clusters[0].endpoints.clear();
    server->publish("local", share(changed));
  }
  for (const auto& context : contexts) ASSERT_EQ(settle(context)->proxies, 1u);
  EXPECT_EQ(server->counters().resources_sent - before.resources_sent, 100u);
  for (const auto& context : contexts) EXPECT_TRUE(applied[context]->clusters[0].endpoints.empty());
  EXPECT_EQ(server->proxies()[0].settled, 100u);
}

TEST_F(Session, ALargeSnapshotComesInSeveralResponses) {
  server->set_contexts("local", {web});
  connect_first();
  auto large = sample_snapshot(0);
  for (int i = 0; i < 1000; ++i) {
    snapshot::Cluster cluster;
    cluster.name = "c" + std::to_string(10000 + i);
    cluster.service = std::string(1500, 's');
    for (int j = 0; j < 10; ++j) {
      cluster.endpoints.push_back(
          {base::Address::loopback(static_cast<std::uint16_t>(j)), {}, 1, "instance-" + std::to_string(j)});
    }
    large.clusters.push_back(std::move(cluster));
  }
  publish(large);
  EXPECT_TRUE(has(large));
  EXPECT_GE(server->counters().responses, 6u);
}

TEST_F(Session, AnySequenceOfSnapshotsAndCutsEndsInTheLast) {
  server->set_contexts("local", {web});
  connect_first();
  base::Random random(7);
  for (int i = 0; i < 200; ++i) {
    auto next = random_snapshot(random);
    next.context = web;
    server->publish("local", share(next));
    for (auto turns = random.below(6); turns > 0; --turns) reactor.poll();
    if (random.below(5) == 0) {
      cut();
      until([&] { return !client->status().connected; });
    }
    if (random.below(3) == 0) continue;
    connect_first();
    auto settled = settle(web);
    ASSERT_TRUE(settled) << settled.error().detail;
    ASSERT_EQ(settled->proxies, 1u);
    ASSERT_EQ(*applied[web], reachable(next)) << i;
  }
}

/// The proxy of a further node.
struct OtherProxy final : Application {
  explicit OtherProxy(Session& session)
      : client(session.reactor, {.proxy = "other", .connect = [&session] { return session.connect(); }},
               *this, base::Random(2)) {
    scope.spawn(client.run());
  }
  Task<std::expected<void, std::string>> apply(SnapshotPtr snapshot) override {
    const auto context = snapshot->context;
    applied[context] = std::move(snapshot);
    co_return std::expected<void, std::string>{};
  }
  Task<void> remove(ContextId context) override {
    applied.erase(context);
    co_return;
  }
  Task<void> drained(ContextId, std::string) override { co_return; }
  std::map<ContextId, SnapshotPtr> applied;
  Client client;
  runtime::Scope scope;
};

TEST_F(Session, TheProxyOfEachNodeGetsItsOwn) {
  OtherProxy other(*this);
  const auto here = sample_snapshot(2, web);
  auto there = sample_snapshot(2, web);
  there.listeners[0].name = "inbound/default/web-1/8080";
  there.listeners.sort();
  server->publish("local", share(here));
  server->publish("other", share(there));
  server->set_contexts("local", {web});
  server->set_contexts("other", {web});
  until([&] { return client->status().connected && other.client.status().connected; });
  EXPECT_EQ(settle(web)->proxies, 2U);
  EXPECT_TRUE(has(here));
  EXPECT_EQ(*other.applied.at(web), there);

  const auto before = server->counters();
  there.clusters[0].endpoints.clear();
  server->publish("other", share(there));
  EXPECT_EQ(settle(web)->proxies, 2U);
  EXPECT_EQ(*other.applied.at(web), there);
  EXPECT_EQ(server->counters().resources_sent - before.resources_sent, 1U);
  EXPECT_EQ(applies, 1);

  server->set_contexts("other", {});
  until([&] { return other.applied.empty(); });
  EXPECT_EQ(settle(web)->proxies, 1U);
  publish(sample_snapshot(3, web));
  server->set_contexts("other", {web});
  EXPECT_FALSE(server->settled_now(web)) << "forgotten there, and nothing new yet";
  server->publish("other", share(there));
  EXPECT_EQ(settle(web)->proxies, 2U);
  EXPECT_TRUE(has(sample_snapshot(3, web)));
}

Task<http::grpc::Status> ask_as(runtime::Reactor& reactor, Server* server, std::string node,
                                runtime::Scope* scope) {
  auto [a, b] = runtime::memory_pair(reactor);
  scope->spawn(serve_beside(server, std::move(b)));
  auto connection = http::h2::Connection::client(reactor, std::move(a));
  auto call = http::grpc::ClientCall::open(
      reactor, connection, "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
      {});
  envoy::service::discovery::v3::DeltaDiscoveryRequest request;
  request.mutable_node()->set_id(node);
  request.set_type_url(std::string(type_url(Type::cluster)));
  (void)co_await call->send(serialize(request));
  auto answer = co_await call->receive();
  co_return answer ? http::grpc::Status{} : answer.error();
}

TEST_F(Session, AProxyMayAskOnlyForContextsThatArePlacedThere) {
  server->set_contexts("local", {web});
  server->set_contexts("other", {cart});
  server->publish("local", share(sample_snapshot(1, web)));
  server->publish("other", share(sample_snapshot(1, cart)));
  struct Case {
    std::string node;
    http::grpc::Code code;
  };
  for (const auto& [node, code] : {Case{"local/default/web", http::grpc::Code::ok},
                                   Case{"local/default/cart", http::grpc::Code::permission_denied},
                                   Case{"other/default/web", http::grpc::Code::permission_denied},
                                   Case{"default/other", http::grpc::Code::not_found},
                                   Case{"weft-system/edge", http::grpc::Code::invalid_argument},
                                   Case{"local/default/web/x", http::grpc::Code::invalid_argument},
                                   Case{"", http::grpc::Code::invalid_argument}}) {
    auto status = reactor.block_on(ask_as(reactor, server.get(), node, &connections));
    EXPECT_EQ(status.code, code) << node << ": " << status.to_string();
  }
}

TEST(SessionOverUnixSocket, WorksTheSame) {
  struct Taker final : Application {
    Task<std::expected<void, std::string>> apply(SnapshotPtr snapshot) override {
      last = std::move(snapshot);
      co_return std::expected<void, std::string>{};
    }
    Task<void> drained(ContextId, std::string) override { co_return; }
    Task<void> remove(ContextId) override { co_return; }
    SnapshotPtr last;
  };
  runtime::Reactor reactor;
  auto path = "/tmp/weft-xds-test-" + std::to_string(getpid()) + ".sock";
  auto address = base::Address::unix_path(path);
  auto listening = runtime::listen_on(address);
  ASSERT_TRUE(listening) << listening.error().message();
  runtime::Acceptor acceptor(reactor, std::move(*listening));
  Server server(reactor);
  Taker taker;
  Client client(reactor, {.proxy = "local", .connect = connector(reactor, address)}, taker, base::Random(1));
  server.set_contexts("local", {web});
  server.publish("local", share(sample_snapshot(2)));
  auto serve = [](Server* on, runtime::Acceptor* from) -> Task<void> {
    co_await on->serve(*from, [](pid_t pid) -> Task<bool> { co_return pid == getpid(); });
  };
  runtime::Scope scope;
  scope.spawn(serve(&server, &acceptor));
  scope.spawn(client.run());
  while (!taker.last) reactor.turn();
  EXPECT_EQ(*taker.last, sample_snapshot(2));
  EXPECT_EQ(reactor.block_on(server.settled(web, seconds(20)))->proxies, 1u);
  unlink(path.c_str());
}

}  // namespace
}  // namespace weft::xds
