// Which requests are sent again, where to, and which are not; and what is waited for, and how long.
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
  EXPECT_EQ(status_of_response(get()), 503);
  EXPECT_EQ(total("weft_upstream_connect_failures_total"), max_attempts);
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UF"}}), 1U);
}

TEST_F(Retry, BrokenBeforeAResponse) {
  struct Case {
    std::string method;
    bool is_sent_again;
  };
  for (const auto& [method, is_sent_again] : std::vector<Case>{
           {"GET", true}, {"OPTIONS", true}, {"POST", false}, {"PUT", false}, {"DELETE", false}}) {
    for (const std::string part : {"", "HTTP/1.1 200 OK\r\ncontent-le"}) {
      backends_.clear();
      backend(1).mode = Backend::Mode::by_hand;
      backend(2);
      apply(simple({1, 2}));
      apply(simple({1}));
      auto wire = connect();
      wire.send(method + " / HTTP/1.1\r\nhost: web\r\ncontent-length: 0\r\n\r\n");
      ASSERT_EQ(backend(1).wires.size(), 1U);
      apply(simple({1, 2}));
      backend(1).wires[0]->send(part);
      backend(1).wires[0]->close();
      const auto text = wire.receive();
      EXPECT_EQ(status_of_response(text), is_sent_again ? 200 : 503) << method << " " << part;
      EXPECT_EQ(backend(2).requests.size(), is_sent_again ? 1U : 0U) << method << " " << part;
    }
  }
}

TEST_F(Retry, BrokenTwiceIsTheEnd) {
  for (const int i : {1, 2, 3}) backend(i).mode = Backend::Mode::by_hand;
  apply(simple({1, 2, 3}));
  auto wire = connect();
  wire.send(get_text);
  ASSERT_EQ(backend(1).wires.size(), 1U);
  backend(1).wires[0]->close();
  ASSERT_EQ(backend(2).wires.size(), 1U);
  backend(2).wires[0]->close();
  EXPECT_EQ(status_of_response(wire.receive()), 503);
  EXPECT_EQ(backend(3).wires.size(), 0U);
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UC"}}), 1U);
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
  backend(1).mode = Backend::Mode::by_hand;
  backend(1).capacity = 256;
  backend(2);
  apply(simple({1}));
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\nx-long: " + std::string(500, 'a') +
            "\r\ncontent-length: 4\r\n\r\nbody");
  apply(simple({1, 2}));
  backend(1).wires.at(0)->close();  // it has got the front of the head
  EXPECT_EQ(status_of_response(wire.receive()), 503);
  EXPECT_TRUE(backend(2).requests.empty());
}

TEST_F(Retry, RouteTimeoutCoversConnecting) {
  backend(1).mode = Backend::Mode::hang_connect;
  backend(2);
  auto snapshot = simple({1, 2});
  snapshot.routes[0].virtual_hosts[0].routes[0].timeout = 2s;
  apply(snapshot);
  auto wire = connect();
  wire.send(get_text);
  advance(1900ms);
  EXPECT_EQ(wire.receive(), "");
  advance(200ms);
  EXPECT_EQ(status_of_response(wire.receive()), 504);
  EXPECT_TRUE(backend(2).requests.empty());
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "504"}, {"response_flags", "UT"}}), 1U);
}

TEST_F(Retry, RouteTimeoutCoversTheWaitForAConnection) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.clusters[0].max_connections = 1;
  snapshot.routes[0].virtual_hosts[0].routes[0].timeout = 0ms;
  apply(snapshot);
  auto first = connect();
  first.send(get_text);
  snapshot.routes[0].virtual_hosts[0].routes[0].timeout = 2s;
  apply(snapshot);
  auto second = connect();
  second.send(get_text);
  advance(1900ms);
  EXPECT_EQ(second.receive(), "");
  advance(200ms);
  EXPECT_EQ(status_of_response(second.receive()), 504);
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "504"}, {"response_flags", "UT"}}), 1U);
}

TEST_F(Retry, ResponseTimeoutIs504AndFinal) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(2);
  auto snapshot = simple({1, 2});
  snapshot.routes[0].virtual_hosts[0].routes[0].timeout = 2s;
  apply(snapshot);
  auto wire = connect();
  wire.send(get_text);
  advance(1900ms);
  EXPECT_EQ(wire.receive(), "");
  advance(200ms);
  EXPECT_EQ(status_of_response(wire.receive()), 504);
  EXPECT_TRUE(backend(2).requests.empty());
  EXPECT_TRUE(backend(1).wires[0]->is_closed());
  EXPECT_FALSE(wire.is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "504"}, {"response_flags", "UT"}}), 1U);
}

TEST_F(Retry, TimeoutWithinAResponseCutsIt) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab");
  wire.receive();
  advance(16s);
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UT"}}), 1U);
}

TEST_F(Retry, RouteWithoutTimeoutWaits) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.routes[0].virtual_hosts[0].routes[0].timeout = 0ms;
  apply(snapshot);
  auto wire = connect();
  wire.send(get_text);
  advance(10min);
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(status_of_response(wire.receive()), 200);
}

TEST_F(Retry, SlowHeadIsCutOffAndIdleConnectionLater) {
  backend(1);
  apply(simple({1}));
  auto slow = connect();
  auto idle = connect();
  slow.send("GET / HT");
  for (int i = 0; i < 20; ++i) {
    advance(1s);
    slow.send("T");
  }
  EXPECT_TRUE(slow.is_closed());
  EXPECT_FALSE(idle.is_closed());
  EXPECT_EQ(body_of(idle.exchange(get_text)), "b1");
  advance(60s);
  EXPECT_FALSE(idle.is_closed());
  advance(30s);
  EXPECT_TRUE(idle.is_closed());
  EXPECT_EQ(worker_->connections(), 0U);
}

TEST_F(Retry, SlowBodyIsCutOff) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.routes[0].virtual_hosts[0].routes[0].timeout = 0ms;
  apply(snapshot);
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 10\r\n\r\na");
  advance(59s);
  EXPECT_FALSE(backend(1).wires[0]->is_closed());
  advance(2s);
  EXPECT_TRUE(backend(1).wires[0]->is_closed());
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "DT"}}), 1U);
}

/// A route that sets no limit of its own.
snapshot::Snapshot without_timeout(snapshot::Snapshot snapshot) {
  snapshot.routes[0].virtual_hosts[0].routes[0].timeout = 0ms;
  return snapshot;
}

TEST_F(Retry, EndpointThatPausesWithinItsResponseIsCutOff) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(without_timeout(simple({1})));
  auto wire = connect();
  wire.send(get_text);
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\na");
  advance(59s);
  backend(1).wires[0]->send("b");
  advance(59s);
  EXPECT_FALSE(wire.is_closed());
  advance(2s);
  EXPECT_TRUE(wire.is_closed());
  EXPECT_TRUE(backend(1).wires[0]->is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UT"}}), 1U);
}

TEST_F(Retry, EndpointMayWaitForTheRestOfTheRequestWithinItsResponse) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(without_timeout(simple({1})));
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 10\r\n\r\na");
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no");
  for (int i = 0; i < 5; ++i) {
    advance(50s);
    wire.send("b");
  }
  wire.send("cccc");
  backend(1).wires[0]->send("k");
  EXPECT_THAT(wire.receive(), HasSubstr("\r\n\r\nok"));
}

TEST_F(Retry, EndpointThatTakesNoMoreOfTheRequestIsCutOff) {
  for (const std::size_t at_hand : {1, 1000}) {
    backends_.clear();
    backend(1).mode = Backend::Mode::by_hand;
    backend(1).capacity = 512;
    apply(without_timeout(simple({1})));
    auto wire = connect();
    wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 2000\r\n\r\n" + std::string(at_hand, 'a'));
    wire.send(std::string(2000 - at_hand, 'b'));
    advance(59s);
    EXPECT_EQ(wire.receive(), "");
    advance(2s);
    EXPECT_EQ(status_of_response(wire.receive()), 504) << at_hand;
  }
}

TEST_F(Retry, ReaderThatDoesNotTakeAnInterimResponseIsCutOff) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(without_timeout(simple({1})));
  auto wire = connect();
  wire.send(get_text);
  // More than the client's pipe holds.
  for (int i = 0; i < 70; ++i) {
    backend(1).wires[0]->send("HTTP/1.1 103 Early Hints\r\nlink: " + std::string(1000, 'a') + "\r\n\r\n");
  }
  advance(59s);
  EXPECT_EQ(worker_->connections(), 1U);
  advance(2s);
  EXPECT_EQ(worker_->connections(), 0U);
}

TEST_F(Retry, SlowReaderIsCutOff) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.routes[0].virtual_hosts[0].routes[0].timeout = 0ms;
  apply(snapshot);
  auto wire = connect();
  wire.send(get_text);
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" +
                            std::string(1'000'000, 'x'));
  advance(61s);
  EXPECT_TRUE(backend(1).wires[0]->is_closed());
  EXPECT_EQ(worker_->connections(), 0U);
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

}  // namespace
}  // namespace weft::proxy::testing
