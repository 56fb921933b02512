// A hop within one process: the caller's chain, the target's, and what each tells the other.
#include "proxy/flow_harness.h"

namespace weft::proxy::testing {
namespace {

TEST_F(ContextFlow, BothChainsRunOverMemory) {
  backend(1);
  apply(web_context({1}));
  apply(shop_context({1}));
  EXPECT_EQ(body_of(get()), "b1");
  EXPECT_EQ(backend(1).connections, 1U);
  for (const auto* reporter : {"source", "destination"}) {
    EXPECT_EQ(total("istio_requests_total", {{"reporter", reporter},
                                             {"source_workload", "shop"},
                                             {"source_workload_namespace", "default"},
                                             {"destination_workload", "web"},
                                             {"destination_service_name", "web"},
                                             {"response_code", "200"}}),
              1U)
        << reporter;
  }
  EXPECT_EQ(total("istio_requests_total"), 2U);
  EXPECT_THAT(backend(1).requests.at(0), HasSubstr("x-request-id: "));
}

TEST_F(ContextFlow, InboundFailureIsTriedAtAnotherInstance) {
  backend(1).mode = Backend::Mode::refuse;
  backend(2);
  apply(web_context({1, 2}));
  apply(shop_context({1, 2}));
  for (int i = 0; i < 4; ++i) {
    auto wire = connect();
    EXPECT_EQ(body_of(wire.exchange("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 4\r\n\r\nbody")),
              "b2:body");
  }
  EXPECT_EQ(total("istio_requests_total", {{"reporter", "source"}, {"response_code", "200"}}), 4U);
  EXPECT_EQ(total("istio_requests_total", {{"reporter", "destination"}, {"response_flags", "UF"}}),
            total("weft_retries_total"));
}

TEST_F(ContextFlow, InboundFailureIsToldApartFromTheApplications) {
  backend(1).mode = Backend::Mode::refuse;
  apply(web_context({1}));
  apply(shop_context({1}));
  const auto text = get();
  EXPECT_EQ(status_of_response(text), 503);
  EXPECT_THAT(text, Not(HasSubstr("x-weft-refused")));
  EXPECT_EQ(total("istio_requests_total", {{"reporter", "source"}, {"response_flags", "UF"}}), 1U);
  EXPECT_EQ(total("istio_requests_total", {{"reporter", "destination"}, {"response_flags", "UF"}}), 1U);
}

TEST_F(ContextFlow, KilledInstanceFailsNoGet) {
  for (const int i : {1, 2}) backend(i).mode = Backend::Mode::by_hand;
  apply(web_context({1, 2}));
  apply(shop_context({1, 2}));
  auto wire = connect();
  wire.send(get_text);
  ASSERT_EQ(backend(1).wires.size(), 1U);
  backend(1).wires[0]->take(1);
  backend(1).wires[0]->reset();
  backend(1).mode = Backend::Mode::refuse;
  advance(25ms);
  ASSERT_EQ(backend(2).wires.size(), 1U);
  backend(2).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  EXPECT_EQ(body_of(wire.receive()), "ok");
}

// What its own chain tries then is refused, which has no effect: the risk is still to be taken.
TEST_F(ContextFlow, KilledInstanceFailsNoGetOnAUsedConnection) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(2);
  apply(web_context({1, 2}));
  apply(shop_context({1}));
  auto wire = connect();
  wire.send(get_text);
  backend(1).wires.at(0)->receive();
  backend(1).wires.at(0)->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(status_of_response(wire.receive()), 200);
  wire.send(get_text);
  apply(shop_context({1, 2}));
  backend(1).mode = Backend::Mode::refuse;
  backend(1).wires.at(0)->take(1);
  backend(1).wires.at(0)->reset();
  for (int i = 0; i < 3; ++i) advance(50ms);
  EXPECT_EQ(body_of(wire.receive()), "b2");
}

// Each chain alone would ask twice.
TEST_F(ContextFlow, BothChainsTogetherTakeARiskOnce) {
  for (const int i : {1, 2, 3}) backend(i).mode = Backend::Mode::by_hand;
  apply(web_context({1, 2, 3}));
  apply(shop_context({1, 2, 3}));
  auto wire = connect();
  // Both chains' connections have been used before.
  for (const int i : {1, 2, 3}) {
    wire.send(get_text);
    backend(i).wires.at(0)->receive();
    backend(i).wires.at(0)->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    EXPECT_EQ(status_of_response(wire.receive()), 200);
  }
  wire.send(get_text);
  std::size_t asked = 0;
  for (int round = 0; round < 6; ++round) {
    for (const int i : {1, 2, 3}) {
      for (auto& one : backend(i).wires) {
        if (one->receive().empty()) continue;
        ++asked;
        one->reset();
      }
    }
    advance(100ms);
  }
  EXPECT_EQ(asked, 2U);
  EXPECT_EQ(status_of_response(wire.receive()), 503);
}

// The caller's chain takes the risk by a new connection, so that the target's must not, whose connection was
// used before.
TEST_F(ContextFlow, TargetsChainKnowsWhatTheCallersHasRisked) {
  for (const int i : {1, 2}) backend(i).mode = Backend::Mode::by_hand;
  apply(web_context({1, 2}));
  apply(shop_context({2}));
  auto wire = connect();
  wire.send(get_text);
  backend(2).wires.at(0)->receive();
  backend(2).wires.at(0)->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(status_of_response(wire.receive()), 200);
  apply(shop_context({1}));
  wire.send(get_text);
  apply(shop_context({1, 2}));
  std::size_t asked = 0;
  for (const auto& one : {backend(1).wires.at(0).get(), backend(2).wires.at(0).get()}) {
    const auto text = one->receive();
    asked += text.empty() ? 0 : 1;
    EXPECT_THAT(text, Not(HasSubstr("x-weft-refused")));
    one->reset();
    for (int i = 0; i < 3; ++i) advance(50ms);
  }
  EXPECT_EQ(asked, 2U);
  EXPECT_EQ(backend(2).wires.size(), 1U);
  EXPECT_EQ(status_of_response(wire.receive()), 503);
}

// The connection that broke was the target chain's, used before or not; the caller's says nothing of it.
TEST_F(ContextFlow, OneInstanceIsAskedAgainOnlyWhereItsOwnConnectionHadBeenUsed) {
  for (const bool is_used : {false, true}) {
    backends_.clear();
    auto& app = backend(is_used ? 1 : 2);
    app.mode = Backend::Mode::by_hand;
    apply(web_context({is_used ? 1 : 2}));
    apply(shop_context({is_used ? 1 : 2}));
    auto wire = connect();
    wire.send(get_text);
    app.wires.at(0)->receive();
    app.wires.at(0)->send(is_used ? "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
                                  : "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    EXPECT_EQ(status_of_response(wire.receive()), 200);
    wire.send(get_text);
    app.wires.back()->receive();
    app.wires.back()->reset();
    advance(25ms);
    ASSERT_EQ(app.wires.size(), 2U);
    if (is_used) app.wires.back()->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    EXPECT_EQ(status_of_response(wire.receive()), is_used ? 200 : 503);
  }
}

TEST_F(ContextFlow, ApplicationCannotForgeAFailureMark) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(web_context({1}));
  apply(shop_context({1}));
  auto wire = connect();
  wire.send(get_text);
  backend(1).wires[0]->send("HTTP/1.1 503 No\r\nx-weft-refused: connect_failed\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(status_of_response(wire.receive()), 503);
  EXPECT_EQ(total("istio_requests_total", {{"reporter", "source"}, {"response_flags", "-"}}), 1U);
}

// One workload may have a port that one Service calls as HTTP and that another one made opaque: no chain
// stands there, and what the application says is not believed, nor is it told anything.
TEST_F(ContextFlow, ApplicationBehindAnOpaqueListenerIsNoChain) {
  for (const int i : {1, 2}) backend(i).mode = Backend::Mode::by_hand;
  auto target = web_context({1, 2});
  for (std::size_t i = 0; i < 2; ++i) {
    target.listeners[i].protocol = snapshot::ListenerProtocol::tcp;
    target.listeners[i].cluster = target.clusters[i].name;
  }
  apply(target);
  apply(shop_context({1, 2}));
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 0\r\n\r\n");
  backend(1).wires.at(0)->receive();
  backend(1).wires.at(0)->send(
      "HTTP/1.1 503 No\r\nx-weft-refused: connect_refused none\r\ncontent-length: 0\r\n\r\n");
  const auto answer = wire.receive();
  EXPECT_EQ(status_of_response(answer), 503);
  EXPECT_THAT(answer, Not(HasSubstr("x-weft-refused")));
  EXPECT_EQ(backend(2).wires.size(), 0U);

  // Several at once, so that none is taken for the cause of an end: one instance's go to the other.
  std::vector<std::unique_ptr<Wire>> callers;
  for (int i = 0; i < 4; ++i) {
    callers.push_back(std::make_unique<Wire>(reactor_, dial()));
    callers.back()->send(get_text);
  }
  ASSERT_EQ(backend(1).wires.size(), 2U);
  ASSERT_EQ(backend(2).wires.size(), 2U);
  std::string asked;
  for (auto& one : backend(1).wires) one->receive();
  for (auto& one : backend(2).wires) one->receive();
  for (auto& one : backend(2).wires) one->reset();
  for (int i = 0; i < 3; ++i) advance(50ms);
  for (auto& one : backend(1).wires) asked += one->receive();
  EXPECT_THAT(asked, HasSubstr("GET / "));
  EXPECT_THAT(asked, Not(HasSubstr("x-weft-refused")));
}

}  // namespace
}  // namespace weft::proxy::testing
