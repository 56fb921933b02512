// What is waited for, of whom, and how long.
#include "http/h1/limits.h"
#include "proxy/flow_harness.h"

namespace weft::proxy::testing {
namespace {

class Timeouts : public Flow {
 protected:
  static constexpr std::string_view get_text = "GET / HTTP/1.1\r\nhost: web\r\n\r\n";

  static snapshot::Snapshot with_timeout(snapshot::Snapshot snapshot, std::chrono::milliseconds timeout) {
    forward(snapshot).timeout = timeout;
    if (timeout == 0ms) forward(snapshot).idle_timeout = 0ms;
    return snapshot;
  }
};

TEST_F(Timeouts, RouteTimeoutCoversConnecting) {
  backend(1).mode = Backend::Mode::hang_connect;
  backend(2);
  apply(with_timeout(simple({1, 2}), 2s));
  auto wire = connect();
  wire.send(get_text);
  advance(1900ms);
  EXPECT_EQ(wire.receive(), "");
  advance(200ms);
  EXPECT_EQ(status_of_response(wire.receive()), 504);
  EXPECT_TRUE(backend(2).requests.empty());
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "504"}, {"response_flags", "UT"}}), 1U);
}

TEST_F(Timeouts, RouteTimeoutCoversTheWaitForAConnection) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  snapshot.clusters[0].max_connections = 1;
  forward(snapshot).timeout = 0ms;
  apply(snapshot);
  auto first = connect();
  first.send(get_text);
  forward(snapshot).timeout = 2s;
  apply(snapshot);
  auto second = connect();
  second.send(get_text);
  advance(1900ms);
  EXPECT_EQ(second.receive(), "");
  advance(200ms);
  EXPECT_EQ(status_of_response(second.receive()), 504);
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "504"}, {"response_flags", "UT"}}), 1U);
}

TEST_F(Timeouts, ResponseTimeoutIs504AndFinal) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(2);
  apply(with_timeout(simple({1, 2}), 2s));
  auto wire = connect();
  wire.send(get_text);
  advance(1900ms);
  EXPECT_EQ(wire.receive(), "");
  advance(200ms);
  const auto text = wire.receive();
  EXPECT_EQ(status_of_response(text), 504);
  EXPECT_EQ(body_of(text), "web.default: the service did not answer within 2s\n");
  EXPECT_TRUE(backend(2).requests.empty());
  EXPECT_TRUE(backend(1).wires[0]->is_closed());
  EXPECT_FALSE(wire.is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "504"}, {"response_flags", "UT"}}), 1U);
}

TEST_F(Timeouts, ATunnelMayRestAsLongAsItsRouteAllowsAndAtLeastAsTheProxyDoes) {
  for (const auto& [idle, lasts, ends] : std::vector<std::tuple<base::Duration, base::Duration, bool>>{
           {1s, 59min, false}, {1s, 61min, true}, {3h, 2h, false}, {3h, 4h, true}, {0s, 48h, false}}) {
    backend(1).mode = Backend::Mode::by_hand;
    auto snapshot = simple({1});
    forward(snapshot).idle_timeout = std::chrono::duration_cast<std::chrono::milliseconds>(idle);
    apply(snapshot);
    auto wire = connect();
    wire.send("GET /ws HTTP/1.1\r\nhost: web\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
    backend(1).wires.back()->send(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n");
    EXPECT_EQ(status_of_response(wire.receive()), 101);
    advance(lasts);
    EXPECT_EQ(wire.is_closed(), ends) << base::format_duration(idle) << " " << base::format_duration(lasts);
  }
}

TEST_F(Timeouts, ResponseWhoseBytesFlowMayTakeLong) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  advance(14s);
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    advance(299s);
    backend(1).wires[0]->send("1\r\nx\r\n");
  }
  backend(1).wires[0]->send("0\r\n\r\n");
  EXPECT_THAT(wire.receive(), HasSubstr("\r\n0\r\n\r\n"));
  EXPECT_EQ(body_of(wire.exchange(get_text)), "");
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "200"}, {"response_flags", "-"}}), 1U);
}

TEST_F(Timeouts, RequestWhoseBytesFlowMayTakeLong) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 10\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    advance(59s);
    wire.send("a");
  }
  advance(14s);
  EXPECT_EQ(wire.receive(), "");
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(status_of_response(wire.receive()), 200);
}

TEST_F(Timeouts, ServiceThatIsSilentAfterASlowRequestIsCutOff) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 2\r\n\r\na");
  advance(50s);
  wire.send("b");
  advance(14s);
  EXPECT_EQ(wire.receive(), "");
  advance(2s);
  EXPECT_EQ(status_of_response(wire.receive()), 504);
}

TEST_F(Timeouts, ServiceIsAwaitedWhoseConsentTheBodyAwaits) {
  for (const bool consents : {false, true}) {
    backends_.clear();
    backend(1).mode = Backend::Mode::by_hand;
    apply(simple({1}));
    auto wire = connect();
    wire.send("POST / HTTP/1.1\r\nhost: web\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
    if (consents) backend(1).wires[0]->send("HTTP/1.1 100 Continue\r\n\r\n");
    wire.receive();
    advance(16s);
    EXPECT_EQ(status_of_response(wire.receive()), consents ? 0 : 504);
    advance(45s);
    EXPECT_TRUE(wire.is_closed());
  }
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UT"}}), 1U);
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "DT"}}), 1U);
}

TEST_F(Timeouts, InterimResponsesDoNotProlongTheWait) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  for (int i = 0; i < 3; ++i) {
    advance(4s);
    backend(1).wires[0]->send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
  }
  EXPECT_THAT(wire.receive(), HasSubstr("103"));
  advance(4s);
  EXPECT_EQ(status_of_response(wire.receive()), 504);
}

TEST_F(Timeouts, InterimResponsesWithoutEndAre502) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  std::string many;
  for (int i = 0; i < message::max_interim_responses; ++i) many += "HTTP/1.1 103 Early Hints\r\n\r\n";
  backend(1).wires[0]->send(many);
  EXPECT_THAT(wire.receive(), Not(HasSubstr("502")));
  backend(1).wires[0]->send("HTTP/1.1 103 Early Hints\r\n\r\n");
  EXPECT_EQ(status_of_response(wire.receive()), 502);
}

TEST_F(Timeouts, RouteWithoutTimeoutWaits) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(with_timeout(simple({1}), 0s));
  auto wire = connect();
  wire.send(get_text);
  advance(10min);
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(status_of_response(wire.receive()), 200);
}

TEST_F(Timeouts, SlowHeadIsCutOffAndIdleConnectionLater) {
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

TEST_F(Timeouts, SlowBodyIsCutOff) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(with_timeout(simple({1}), 0s));
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 10\r\n\r\na");
  advance(59s);
  EXPECT_FALSE(backend(1).wires[0]->is_closed());
  advance(2s);
  EXPECT_TRUE(backend(1).wires[0]->is_closed());
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "DT"}}), 1U);
}

TEST_F(Timeouts, EndpointThatPausesWithinItsResponseIsCutOff) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\na");
  advance(299s);
  backend(1).wires[0]->send("b");
  advance(299s);
  EXPECT_FALSE(wire.is_closed());
  advance(2s);
  EXPECT_TRUE(wire.is_closed());
  EXPECT_TRUE(backend(1).wires[0]->is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UT"}}), 1U);
}

TEST_F(Timeouts, EndpointOfARouteWithoutTimeoutMayPause) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(with_timeout(simple({1}), 0s));
  auto wire = connect();
  wire.send(get_text);
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na");
  advance(24h);
  backend(1).wires[0]->send("b");
  EXPECT_THAT(wire.receive(), HasSubstr("\r\n\r\nab"));
}

TEST_F(Timeouts, EndpointMayWaitForTheRestOfTheRequestWithinItsResponse) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(with_timeout(simple({1}), 0s));
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

TEST_F(Timeouts, ClientMayPauseWithinTheResponse) {
  for (const std::string_view begin : {"1\r\no\r\n1", "1"}) {
    backends_.clear();
    backend(1).mode = Backend::Mode::by_hand;
    apply(simple({1}));
    auto wire = connect();
    wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 10\r\n\r\na");
    auto& service = *backend(1).wires[0];
    service.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + std::string(begin));
    wire.send("b");
    advance(299s);
    service.send("\r\nk\r\n0\r\n\r\n");
    EXPECT_TRUE(wire.receive().ends_with("\r\nk\r\n0\r\n\r\n")) << begin;
  }
}

TEST_F(Timeouts, EndpointThatTakesNoMoreOfTheRequestIsCutOff) {
  for (const std::size_t at_hand : {1, 1000}) {
    backends_.clear();
    backend(1).mode = Backend::Mode::by_hand;
    backend(1).capacity = 512;
    apply(simple({1}));
    auto wire = connect();
    wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 2000\r\n\r\n" + std::string(at_hand, 'a'));
    wire.send(std::string(2000 - at_hand, 'b'));
    advance(299s);
    EXPECT_EQ(wire.receive(), "");
    advance(2s);
    EXPECT_EQ(status_of_response(wire.receive()), 504) << at_hand;
  }
}

TEST_F(Timeouts, ReaderThatDoesNotTakeAnInterimResponseIsCutOff) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(with_timeout(simple({1}), 0s));
  auto wire = connect();
  wire.send(get_text);
  // More than the client's pipe holds.
  for (int i = 0; i < 30; ++i) {
    backend(1).wires[0]->send("HTTP/1.1 103 Early Hints\r\nlink: " + std::string(3000, 'a') + "\r\n\r\n");
  }
  advance(59s);
  EXPECT_EQ(worker_->connections(), 1U);
  advance(2s);
  EXPECT_EQ(worker_->connections(), 0U);
}

TEST_F(Timeouts, SlowReaderIsCutOff) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(with_timeout(simple({1}), 0s));
  auto wire = connect();
  wire.send(get_text);
  backend(1).wires[0]->send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" +
                            std::string(1'000'000, 'x'));
  advance(61s);
  EXPECT_TRUE(backend(1).wires[0]->is_closed());
  EXPECT_EQ(worker_->connections(), 0U);
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "DT"}}), 1U);
}

TEST_F(Timeouts, ServiceIsNotBlamedWhileTheClientTakesNothing) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = simple({1});
  forward(snapshot).idle_timeout = 3s;
  apply(snapshot);
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 100\r\n\r\na");
  backend(1).wires.at(0)->send("HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n" +
                               std::string(200'000, 'x'));
  for (int i = 0; i < 5; ++i) {
    wire.send("b");
    advance(2s);
  }
  EXPECT_EQ(body_of(wire.receive()).size(), 200'000U);
}

TEST_F(Timeouts, InterimResponseThatTheClientTakesLateIsNotTheServicesDelay) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send(get_text);
  for (int i = 0; i < 30; ++i) {
    backend(1).wires.at(0)->send("HTTP/1.1 103 Early Hints\r\nlink: " + std::string(3000, 'a') + "\r\n\r\n");
  }
  advance(20s);
  wire.receive();
  backend(1).wires.at(0)->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_THAT(wire.receive(), HasSubstr("200 OK"));
}

}  // namespace
}  // namespace weft::proxy::testing
