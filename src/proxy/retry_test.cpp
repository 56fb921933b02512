// Which requests are sent again, where to, and which are not; and what waits for a connection.
#include "proxy/flow_harness.h"
#include "proxy/request.h"

namespace weft::proxy::testing {
namespace {

class Retry : public Flow {
 protected:
  static constexpr std::string_view get_text = "GET / HTTP/1.1\r\nhost: web\r\n\r\n";
  static constexpr std::string_view post_text =
      "POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 4\r\n\r\nbody";
};

TEST_F(Retry, ConnectFailureGoesToAnotherEndpointWhateverTheMethod) {
  backend(1).mode = Backend::Mode::refuse;
  backend(2);
  apply(simple({1, 2}));
  for (int i = 0; i < 4; ++i) {
    auto wire = connect();
    EXPECT_EQ(body_of(wire.exchange(post_text)), "b2:body");
  }
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "200"}}), 4U);
  EXPECT_GE(total("weft_retries_total"), 1U);
  EXPECT_EQ(total("weft_upstream_connect_failures_total"), total("weft_retries_total"));
}

TEST_F(Retry, ConnectTimeoutGoesToAnotherEndpoint) {
  backend(1).mode = Backend::Mode::hang_connect;
  backend(2);
  apply(simple({1, 2}));
  auto wire = connect();
  wire.send(get_text);
  advance(5s);
  EXPECT_EQ(body_of(wire.receive()), "b2");
}

TEST_F(Retry, AttemptsAreBounded) {
  std::vector<int> dead;
  for (int i = 1; i <= 10; ++i) {
    backend(i).mode = Backend::Mode::refuse;
    dead.push_back(i);
  }
  apply(simple(dead));
  auto wire = connect();
  wire.send(get_text);
  for (int i = 0; i < 3; ++i) advance(100ms);
  EXPECT_EQ(status_of_response(wire.receive()), 503);
  EXPECT_EQ(total("weft_upstream_connect_failures_total"), decide::max_attempts);
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UF"}}), 1U);
}

/// What an endpoint does with a request that it does not answer.
enum class End { unread, in_part, whole, reset, begun };

void end_by(End end, Wire& wire) {
  switch (end) {
    case End::unread: return wire.close();
    case End::in_part: wire.take(10); return wire.close();
    case End::whole: wire.receive(); return wire.close();
    case End::reset: wire.receive(); return wire.reset();
    case End::begun:
      wire.receive();
      wire.send("HTTP/1.1 200 OK\r\ncontent-le");
      return wire.close();
  }
}

TEST_F(Retry, WhatTheEndpointHasReadDecides) {
  struct Case {
    std::string method;
    End end;
    bool is_sent_again;
  };
  for (const auto& [method, end, is_sent_again] : std::vector<Case>{
           {"GET", End::unread, true},
           {"POST", End::unread, true},
           {"GET", End::in_part, true},
           {"OPTIONS", End::in_part, true},
           {"POST", End::in_part, false},
           {"PUT", End::reset, false},
           {"GET", End::reset, true},
           {"GET", End::whole, false},  // it may have died of it
           {"DELETE", End::whole, false},
           {"GET", End::begun, true},
           {"POST", End::begun, false},
       }) {
    backends_.clear();
    backend(1).mode = Backend::Mode::by_hand;
    backend(2);
    apply(simple({1, 2}));
    apply(simple({1}));
    auto wire = connect();
    wire.send(method + " / HTTP/1.1\r\nhost: web\r\ncontent-length: 0\r\n\r\n");
    ASSERT_EQ(backend(1).wires.size(), 1U);
    apply(simple({1, 2}));
    end_by(end, *backend(1).wires[0]);
    advance(25ms);
    const auto text = wire.receive();
    const auto name = method + " " + std::to_string(static_cast<int>(end));
    EXPECT_EQ(status_of_response(text), is_sent_again ? 200 : 503) << name;
    EXPECT_EQ(backend(2).requests.size(), is_sent_again ? 1U : 0U) << name;
  }
}

TEST_F(Retry, AnEndpointThatIsBeingStoppedHasNotDiedOfARequest) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(2);
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  apply(simple({2}));
  end_by(End::whole, *backend(1).wires.at(0));
  advance(25ms);
  EXPECT_EQ(body_of(wire.receive()), "b2");
}

TEST_F(Retry, OfManyRequestsNoneIsTheCauseOfAnEnd) {
  for (const bool at_once : {true, false}) {
    backends_.clear();
    backend(1).mode = Backend::Mode::by_hand;
    backend(2);
    apply(simple({1}));
    auto first = connect();
    auto second = connect();
    if (at_once) {
      second.send(get_text);
    } else {
      for (int i = 0; i < 16; ++i) {
        second.send(get_text);
        backend(1).wires.at(0)->receive();
        backend(1).wires.at(0)->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        EXPECT_EQ(status_of_response(second.receive()), 200);
      }
    }
    first.send(get_text);
    apply(simple({1, 2}));
    for (const auto& wire : backend(1).wires) end_by(End::whole, *wire);
    advance(25ms);
    EXPECT_EQ(body_of(first.receive()), "b2");
    advance(2s);
  }
}

TEST_F(Retry, BrokenTwiceIsTheEnd) {
  for (const int i : {1, 2, 3}) backend(i).mode = Backend::Mode::by_hand;
  apply(simple({1, 2, 3}));
  auto wire = connect();
  wire.send(get_text);
  ASSERT_EQ(backend(1).wires.size(), 1U);
  end_by(End::reset, *backend(1).wires[0]);
  advance(25ms);
  ASSERT_EQ(backend(2).wires.size(), 1U);
  end_by(End::reset, *backend(2).wires[0]);
  advance(50ms);
  EXPECT_EQ(status_of_response(wire.receive()), 503);
  EXPECT_EQ(backend(3).wires.size(), 0U);
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UC"}}), 1U);
}

TEST_F(Retry, ARiskIsTakenAfterAPauseUnlessTheClientHasLeft) {
  for (const bool leaves : {false, true}) {
    backends_.clear();
    backend(1).mode = Backend::Mode::by_hand;
    backend(2);
    apply(simple({1}));
    auto wire = connect();
    wire.send(get_text);
    apply(simple({1, 2}));
    end_by(End::reset, *backend(1).wires[0]);
    EXPECT_EQ(wire.receive(), "");
    if (leaves) wire.close();
    advance(25ms);
    EXPECT_EQ(backend(2).requests.size(), leaves ? 0U : 1U);
  }
}

TEST_F(Retry, NothingIsSentAgainAfterTheRoutesTime) {
  for (const int i : {1, 2}) backend(i).mode = Backend::Mode::hang_connect;
  backend(3);
  auto snapshot = simple({1, 2, 3});
  snapshot.clusters[0].connect_timeout = 30ms;
  forward(snapshot).timeout = 61ms;
  apply(snapshot);
  auto wire = connect();
  wire.send(get_text);
  advance(30ms);
  advance(30ms);   // the second has failed too: a pause within what is left begins
  advance(100ms);  // and ends after all of it
  EXPECT_EQ(status_of_response(wire.receive()), 503);
  EXPECT_TRUE(backend(3).requests.empty());
}

TEST_F(Retry, RisksAreWithinTheClustersBudget) {
  constexpr std::size_t clients = 40;
  constexpr std::size_t budget = 32;
  backend(1).mode = Backend::Mode::by_hand;
  backend(2);
  apply(simple({1}));
  std::vector<std::unique_ptr<Wire>> wires;
  for (std::size_t i = 0; i < clients; ++i) {
    wires.emplace_back(new Wire(connect()));
    wires.back()->send(get_text);
  }
  apply(simple({1, 2}));
  for (const auto& wire : backend(1).wires) end_by(End::reset, *wire);
  EXPECT_EQ(total("weft_requests_active"), budget) << "the others have been answered";
  advance(25ms);
  EXPECT_EQ(backend(2).requests.size(), budget);
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "503"}}), clients - budget);
}

TEST_F(Retry, BrokenWithinAResponseIsNotSentAgain) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(2);
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  apply(simple({1, 2}));
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab");
  backend(1).wires[0]->close();
  EXPECT_THAT(wire.receive(), HasSubstr("\r\n\r\nab"));
  EXPECT_TRUE(wire.is_closed());
  EXPECT_TRUE(backend(2).requests.empty());
}

TEST_F(Retry, AnotherEndpointIsAskedAlsoWhenTheBrokenOneIsGoneByThen) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(2);
  apply(simple({1, 2}));
  auto wire = connect();
  wire.send(get_text);
  ASSERT_EQ(backend(1).wires.size(), 1U);
  apply(simple({2}));
  backend(1).wires[0]->close();
  EXPECT_EQ(body_of(wire.receive()), "b2");
}

TEST_F(Retry, OneEndpointIsNotAskedTwiceOnAFreshConnection) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  backend(1).wires[0]->close();
  EXPECT_EQ(status_of_response(wire.receive()), 503);
  EXPECT_EQ(backend(1).wires.size(), 1U);
}

TEST_F(Retry, KeptAliveConnectionThatTurnsOutDeadIsReplaced) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  backend(1).wires[0]->receive();
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(status_of_response(wire.receive()), 200);
  wire.send(get_text);
  EXPECT_EQ(backend(1).wires.size(), 1U) << "the connection is used again";
  backend(1).wires[0]->close();
  ASSERT_EQ(backend(1).wires.size(), 2U) << "the same endpoint, by a new connection";
  backend(1).wires[1]->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(status_of_response(wire.receive()), 200);
}

TEST_F(Retry, ConnectionClosedAtRestIsNoticed) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  wire.receive();
  EXPECT_EQ(total("weft_upstream_connections_active"), 1U);
  backend(1).wires[0]->close();
  EXPECT_EQ(total("weft_upstream_connections_active"), 0U);
  wire.send(post_text);
  EXPECT_EQ(backend(1).wires.size(), 2U);
}

TEST_F(Retry, BodyThatIsNotAtHandIsNotSentAgain) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(2);
  apply(simple({1}));
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\ncontent-length: 8\r\n\r\nbody");
  apply(simple({1, 2}));
  wire.send("more");
  backend(1).wires[0]->close();
  EXPECT_EQ(status_of_response(wire.receive()), 503);
  EXPECT_TRUE(backend(2).requests.empty());
}

TEST_F(Retry, BodyThatIsAtHandIsSentAgain) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(2);
  apply(simple({1}));
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\ncontent-length: 4\r\n\r\nbody");
  apply(simple({1, 2}));
  backend(1).wires[0]->close();
  EXPECT_EQ(body_of(wire.receive()), "b2:body");
}

TEST_F(Retry, PartlySentRequestIsNotSentAgain) {
  // The front of the head; or nothing, but a write that failed may have been told what no read tells then.
  for (const std::size_t taken : {100, 0}) {
    backends_.clear();
    backend(1).mode = Backend::Mode::by_hand;
    backend(1).capacity = 256;
    backend(2);
    apply(simple({1}));
    auto wire = connect();
    wire.send("POST / HTTP/1.1\r\nhost: web\r\nx-long: " + std::string(500, 'a') +
              "\r\ncontent-length: 4\r\n\r\nbody");
    apply(simple({1, 2}));
    backend(1).wires.at(0)->take(taken);
    backend(1).wires.at(0)->close();
    EXPECT_EQ(status_of_response(wire.receive()), 503) << taken;
    EXPECT_TRUE(backend(2).requests.empty()) << taken;
  }
}

TEST_F(Retry, ConnectionsAndPendingRequestsAreLimited) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.clusters[0].max_connections = 1;
  snapshot.clusters[0].max_pending = 1;
  apply(snapshot);
  auto first = connect();
  auto second = connect();
  auto third = connect();
  first.send(get_text);
  second.send(get_text);
  EXPECT_EQ(status_of_response(third.exchange(get_text)), 503);
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UO"}}), 1U);
  ASSERT_EQ(backend(1).wires.size(), 1U);
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1");
  EXPECT_EQ(body_of(first.receive()), "1");
  backend(1).wires[0]->receive();
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n2");
  EXPECT_EQ(body_of(second.receive()), "2") << "the one that waited got the connection";
  EXPECT_EQ(backend(1).wires.size(), 1U);
}

TEST_F(Retry, ConnectionThatDiedIsNotHandedOn) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.clusters[0].max_connections = 1;
  apply(snapshot);
  auto first = connect();
  auto second = connect();
  first.send(get_text);
  second.send(post_text);
  backend(1).wires[0]->send_last("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1", false);
  EXPECT_EQ(body_of(first.receive()), "1");
  ASSERT_EQ(backend(1).wires.size(), 2U) << "the one that waited makes a connection of its own";
  backend(1).wires[1]->send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n2");
  EXPECT_EQ(body_of(second.receive()), "2");
}

TEST_F(Retry, WaitingForAConnectionIsLimited) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.clusters[0].max_connections = 1;
  snapshot.clusters[0].connect_timeout = 1s;
  apply(snapshot);
  auto first = connect();
  auto second = connect();
  auto gone = connect();
  first.send(get_text);
  second.send(get_text);
  gone.send(get_text);
  gone.close();
  advance(1100ms);
  EXPECT_EQ(status_of_response(second.receive()), 503);
  EXPECT_EQ(first.receive(), "");
}

TEST_F(Retry, ConnectionThatCannotBeReusedMakesRoom) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.clusters[0].max_connections = 1;
  apply(snapshot);
  auto first = connect();
  auto second = connect();
  first.send(get_text);
  second.send(get_text);
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\n1");
  EXPECT_EQ(body_of(first.receive()), "1");
  ASSERT_EQ(backend(1).wires.size(), 2U);
  backend(1).wires[1]->send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n2");
  EXPECT_EQ(body_of(second.receive()), "2");
}

TEST_F(Retry, UpstreamConnectionsAtRestAreClosedInTime) {
  backend(1);
  apply(simple({1}));
  get();
  EXPECT_EQ(total("weft_upstream_connections_active"), 1U);
  for (int i = 0; i < 12; ++i) advance(5s);
  EXPECT_EQ(total("weft_upstream_connections_active"), 0U);
}

TEST_F(Retry, WhoWaitsForAConnectionIsNeverOvertaken) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.clusters[0].max_connections = 1;
  snapshot.clusters[0].connect_timeout = 1s;
  apply(snapshot);
  auto first = connect();
  first.send("GET /first HTTP/1.1\r\nhost: web\r\n\r\nGET /third HTTP/1.1\r\nhost: web\r\n\r\n");
  auto second = connect();
  second.send("GET /second HTTP/1.1\r\nhost: web\r\n\r\n");
  advance(600ms);
  // The place is free in the same turn in which the first client's next request asks for one.
  backend(1).wires.at(0)->send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
  ASSERT_EQ(backend(1).wires.size(), 2U);
  EXPECT_THAT(backend(1).wires.at(1)->receive(), HasSubstr("/second"));
  advance(900ms);
  EXPECT_EQ(status_of_response(first.receive().substr(0, 15)), 200);
  advance(200ms);
  EXPECT_EQ(status_of_response(first.receive()), 503) << "its wait has one limit";
}

// What it says of a risk is not believed.
TEST_F(Retry, ClientsCannotForbidIt) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(2);
  apply(simple({1, 2}));
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\nx-weft-refused: connect_refused certain\r\n\r\n");
  EXPECT_THAT(backend(1).wires.at(0)->receive(), Not(HasSubstr("x-weft-refused")));
  backend(1).wires.at(0)->reset();
  advance(25ms);
  EXPECT_EQ(body_of(wire.receive()), "b2");
}

}  // namespace
}  // namespace weft::proxy::testing
