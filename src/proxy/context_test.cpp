// Contexts: Snapshots that change under way, listeners that go and move, draining, opaque connections.
#include "proxy/flow_harness.h"

namespace weft::proxy::testing {
namespace {

TEST_F(ContextFlow, InboundListenerThatGoesFinishesItsRequest) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(web_context({1}));
  apply(shop_context({1}));
  auto wire = connect();
  wire.send(get_text);
  apply(web_context({}));
  EXPECT_EQ(wire.receive(), "");
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  EXPECT_EQ(body_of(wire.receive()), "ok");
  EXPECT_EQ(total("weft_upstream_connections_active"), 0U) << "nothing rests towards what is gone";
}

TEST_F(ContextFlow, RemovedContextEndsItsIdleConnections) {
  backend(1);
  apply(simple({1}));
  auto idle = connect();
  idle.exchange(get_text);
  worker_->remove({"default", "shop"});
  settle();
  EXPECT_TRUE(idle.is_closed());
  EXPECT_EQ(total("weft_upstream_connections_active"), 0U);
  EXPECT_EQ(worker_->connections(), 0U);
}

TEST_F(ContextFlow, RequestUnderWayInARemovedContextFinishes) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  worker_->remove({"default", "shop"});
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  EXPECT_EQ(body_of(wire.receive()), "ok");
  EXPECT_TRUE(wire.is_closed());
}

TEST_F(ContextFlow, SnapshotSwapKeepsConnectionsAndBalance) {
  for (const int i : {1, 2, 3}) backend(i);
  apply(simple({1, 2, 3}));
  auto wire = connect();
  std::string names;
  for (int i = 0; i < 6; ++i) {
    names += body_of(wire.exchange(get_text));
    apply(simple({1, 2, 3}));
  }
  EXPECT_EQ(names, "b1b2b3b1b2b3");
  for (const int i : {1, 2, 3}) EXPECT_EQ(backend(i).connections, 1U);
}

TEST_F(ContextFlow, SwapWithChangesKeepsWhatStays) {
  for (const int i : {1, 2, 3}) backend(i);
  apply(simple({1, 2}));
  auto wire = connect();
  for (int i = 0; i < 4; ++i) wire.exchange(get_text);
  apply(simple({2, 3}));
  EXPECT_EQ(total("weft_upstream_connections_active"), 1U) << "the removed endpoint's connection is closed";
  for (int i = 0; i < 4; ++i) wire.exchange(get_text);
  EXPECT_EQ(backend(1).requests.size(), 2U);
  EXPECT_EQ(backend(2).requests.size(), 4U);
  EXPECT_EQ(backend(2).connections, 1U);
  EXPECT_EQ(backend(3).requests.size(), 2U);
}

TEST_F(ContextFlow, DrainingEndpointFinishesAndGetsNothingNew) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(2);
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  auto snapshot = simple({1, 2});
  snapshot.clusters[0].endpoints[0].health = snapshot::Health::draining;
  apply(snapshot);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(body_of(get()), "b2");
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  EXPECT_EQ(body_of(wire.receive()), "ok");
  EXPECT_EQ(backend(1).wires.size(), 1U);
  EXPECT_TRUE(backend(1).wires[0]->is_closed());
}

TEST_F(ContextFlow, SwapUnderwayLosesNoRequest) {
  for (const int i : {1, 2}) backend(i).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  for (int i = 0; i < 50; ++i) {
    wire.send(get_text);
    apply(simple({i % 2 == 0 ? 2 : 1}));
    auto& server = *backend(i % 2 == 0 ? 1 : 2).wires.back();
    EXPECT_THAT(server.receive(), HasSubstr("GET / "));
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    ASSERT_EQ(body_of(wire.receive()), "ok") << i;
  }
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "200"}}), 50U);
}

TEST_F(ContextFlow, DrainFinishesRequestsAndClosesIdle) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto idle = connect();
  auto busy = connect();
  busy.send(get_text);
  worker_->begin_drain();
  settle();
  EXPECT_TRUE(idle.is_closed());
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  const auto text = busy.receive();
  EXPECT_EQ(body_of(text), "ok");
  EXPECT_TRUE(busy.is_closed());
  busy.close();
  EXPECT_EQ(worker_->connections(), 0U);
}

TEST_F(ContextFlow, DrainSaysConnectionClose) {
  backend(1);
  apply(simple({1}));
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\n");
  worker_->begin_drain();
  EXPECT_THAT(wire.exchange("host: web\r\n\r\n"), HasSubstr("connection: close"));
  EXPECT_TRUE(wire.is_closed());
}

TEST_F(ContextFlow, CutEndsEverythingAndCountsIt) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  worker_->cut();
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(total("istio_requests_total"), 1U);
  EXPECT_EQ(total("weft_requests_active"), 0U);
}

snapshot::Snapshot tcp_context(std::vector<int> endpoints) {
  snapshot::Snapshot snapshot;
  snapshot.context = {"default", "shop"};
  auto& listener = snapshot.listeners.emplace_back();
  listener.name = "in";
  listener.address = address(200);
  listener.protocol = snapshot::ListenerProtocol::tcp;
  listener.cluster = "db";
  auto& cluster = snapshot.clusters.emplace_back();
  cluster.name = "db";
  cluster.protocol = snapshot::ClusterProtocol::tcp;
  cluster.service = "db";
  cluster.service_ns = "default";
  for (const int number : endpoints) cluster.endpoints.emplace_back().address = address(number);
  return snapshot;
}

TEST_F(ContextFlow, OpaqueConnectionWithHalfClose) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(tcp_context({1}));
  auto wire = connect();
  wire.send("question");
  ASSERT_EQ(backend(1).wires.size(), 1U);
  auto& server = *backend(1).wires[0];
  EXPECT_EQ(server.receive(), "question");
  wire.shutdown();
  EXPECT_TRUE(server.is_closed());
  server.send("the answer");
  EXPECT_EQ(wire.receive(), "the answer");
  EXPECT_EQ(worker_->connections(), 1U);
  server.close();
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(worker_->connections(), 0U);
  EXPECT_EQ(total("istio_tcp_received_bytes_total", {{"destination_service_name", "db"}}), 8U);
  EXPECT_EQ(total("istio_tcp_sent_bytes_total"), 10U);
  EXPECT_EQ(total("istio_tcp_connections_opened_total"), 1U);
  EXPECT_EQ(total("istio_tcp_connections_closed_total"), 1U);
}

TEST_F(ContextFlow, OpaqueConnectionTriesAnotherEndpoint) {
  backend(1).mode = Backend::Mode::refuse;
  backend(2).mode = Backend::Mode::by_hand;
  apply(tcp_context({1, 2}));
  auto wire = connect();
  wire.send("x");
  ASSERT_EQ(backend(2).wires.size(), 1U);
  EXPECT_EQ(backend(2).wires[0]->receive(), "x");
}

TEST_F(ContextFlow, OpaqueConnectionWithoutEndpointIsClosed) {
  apply(tcp_context({}));
  auto wire = connect();
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(worker_->connections(), 0U);
}

TEST_F(ContextFlow, IdleOpaqueConnectionIsClosedInTimeAlsoAfterAHalfClose) {
  for (const bool by_client : {true, false}) {
    backends_.clear();
    backend(1).mode = Backend::Mode::by_hand;
    apply(tcp_context({1}));
    auto wire = connect();
    wire.send("x");
    auto& server = *backend(1).wires.at(0);
    (by_client ? wire : server).shutdown();
    advance(59min);
    EXPECT_EQ(worker_->connections(), 1U);
    advance(2min);
    EXPECT_EQ(worker_->connections(), 0U) << by_client;
  }
}

TEST_F(ContextFlow, OpaqueConnectionsAreLimitedAndCounted) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(2).mode = Backend::Mode::by_hand;
  auto snapshot = tcp_context({1, 2});
  snapshot.clusters[0].max_connections = 1;
  apply(snapshot);
  auto first = connect();
  auto second = connect();
  EXPECT_EQ(backend(1).wires.size() + backend(2).wires.size(), 2U) << "where there is room";
  EXPECT_EQ(total("weft_upstream_connections_active"), 2U);
  auto third = connect();
  EXPECT_TRUE(third.is_closed());
  EXPECT_FALSE(first.is_closed());
  EXPECT_EQ(total("weft_upstream_connect_failures_total"), 0U);
  first.close();
  backend(1).wires.at(0)->close();
  EXPECT_EQ(total("weft_upstream_connections_active"), 1U);
  auto fourth = connect();
  EXPECT_FALSE(fourth.is_closed());
  EXPECT_EQ(total("weft_upstream_connections_total"), 3U);
}

TEST_F(ContextFlow, BytesOfOpaqueConnectionsAreCountedAsTheyPass) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(tcp_context({1}));
  auto wire = connect();
  wire.send("question");
  backend(1).wires.at(0)->send("answer");
  EXPECT_EQ(total("istio_tcp_received_bytes_total"), 8U);
  EXPECT_EQ(total("istio_tcp_sent_bytes_total"), 6U);
  wire.close();
  EXPECT_EQ(total("istio_tcp_received_bytes_total"), 8U);
}

TEST_F(ContextFlow, ListenerUnderAnotherNameIsTheSame) {
  backend(1);
  apply(simple({1}));
  auto wire = connect();
  EXPECT_EQ(body_of(wire.exchange(get_text)), "b1");
  const auto before = find_listener("in");
  auto changed = simple({1});
  changed.listeners[0].name = "other";
  apply(changed);
  EXPECT_EQ(find_listener("other"), before);
  EXPECT_FALSE(find_listener("in"));
  EXPECT_FALSE(wire.is_closed());
  EXPECT_EQ(body_of(wire.exchange(get_text)), "b1");
}

// Who came by the old address may be one who must not come by the new one.
TEST_F(ContextFlow, ListenerAtAnotherAddressIsTheSameAndEndsItsConnections) {
  backend(1);
  apply(simple({1}));
  auto wire = connect();
  EXPECT_EQ(body_of(wire.exchange(get_text)), "b1");
  const auto before = find_listener("in");
  auto moved = simple({1});
  moved.listeners[0].address = address(201);
  apply(moved);
  EXPECT_EQ(find_listener("in"), before);
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(body_of(get()), "b1");
}

// Whoever has a socket goes by the address, for that stays open.
TEST_F(ContextFlow, ListenersThatChangePlacesKeepTheirAddresses) {
  auto snapshot = simple({1});
  auto second = snapshot.listeners[0];
  second.name = "second";
  second.address = address(201);
  snapshot.listeners.push_back(second);
  apply(snapshot);
  const auto first_state = find_listener("in");
  const auto second_state = find_listener("second");
  std::swap(snapshot.listeners[0].address, snapshot.listeners[1].address);
  apply(snapshot);
  EXPECT_EQ(find_listener("in"), second_state);
  EXPECT_EQ(find_listener("second"), first_state);
  // "in" takes the place of "second", which goes, and a new one that of "in".
  snapshot.listeners[1].name = "third";
  std::swap(snapshot.listeners[0].address, snapshot.listeners[1].address);
  apply(snapshot);
  EXPECT_EQ(find_listener("in"), first_state);
  EXPECT_EQ(find_listener("third"), second_state);
}

TEST_F(ContextFlow, ListenerThatIsInboundNoMoreIsNotReachedOverMemory) {
  backend(1);
  backend(101);
  const auto expect_answer = [&](const std::string& answer) {
    apply(shop_context({}));
    apply(shop_context({1}));
    EXPECT_EQ(body_of(get()), answer);
  };
  apply(web_context({1}));
  expect_answer("b1");
  auto outbound = web_context({1});
  outbound.listeners[0].direction = snapshot::Direction::outbound;
  apply(outbound);
  expect_answer("b101");
  apply(web_context({1}));
  expect_answer("b1");
  auto moved = web_context({1});
  moved.listeners[0].address = address(102);
  apply(moved);
  expect_answer("b101");
}

TEST_F(ContextFlow, ListenerThatBecomesOpaqueEndsItsHttpConnections) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  apply(snapshot);
  auto busy = connect();
  busy.send(get_text);
  backend(1).mode = Backend::Mode::answer;
  auto idle = connect();
  EXPECT_EQ(body_of(idle.exchange(get_text)), "b1");
  snapshot.listeners[0].protocol = snapshot::ListenerProtocol::tcp;
  snapshot.listeners[0].cluster = "app";
  apply(snapshot);
  EXPECT_TRUE(idle.is_closed());
  EXPECT_FALSE(busy.is_closed());
  backend(1).wires.at(0)->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(status_of_response(busy.receive()), 200);
  EXPECT_TRUE(busy.is_closed());
}

TEST_F(ContextFlow, ConnectionsWithinTheProcessAreNoClientsAndNoSockets) {
  backend(1);
  apply(web_context({1}));
  apply(shop_context({1}));
  auto wire = connect();
  EXPECT_EQ(body_of(wire.exchange(get_text)), "b1");
  for (const auto* name : {"weft_downstream_connections_active", "weft_upstream_connections_active",
                           "weft_local_connections_active"}) {
    EXPECT_EQ(total(name), 1U) << name;
  }
  apply(web_context({}));
  EXPECT_EQ(total("weft_local_connections_active"), 0U);
  EXPECT_EQ(total("weft_local_connections_total"), 1U);
}

TEST_F(ContextFlow, ConnectionsAtRestDoNotWakeTheWorker) {
  backend(1);
  apply(simple({1}));
  std::vector<std::unique_ptr<Wire>> wires;
  for (int i = 0; i < 50; ++i) {
    wires.emplace_back(new Wire(connect()));
    advance(100ms);
  }
  int turns = 0;
  for (int i = 0; i < 600; ++i) {
    clock_.advance(100ms);
    while (reactor_.poll()) ++turns;
  }
  EXPECT_LE(turns, 60 / 5 + 1);  // housekeeping
  EXPECT_EQ(worker_->connections(), 50U);
}

TEST_F(ContextFlow, IdleOpaqueConnectionIsClosedInTime) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(tcp_context({1}));
  auto wire = connect();
  wire.send("x");
  advance(59min);
  wire.send("y");
  advance(59min);
  EXPECT_FALSE(wire.is_closed());
  advance(2min);
  EXPECT_TRUE(wire.is_closed());
}

}  // namespace
}  // namespace weft::proxy::testing
