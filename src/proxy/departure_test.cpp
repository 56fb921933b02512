// Clients that leave before they are answered: whatever their request waits for, it is given up and leaves no
// trace.
#include "proxy/flow_harness.h"

namespace weft::proxy::testing {
namespace {

constexpr std::string_view get_text = "GET / HTTP/1.1\r\nhost: web\r\n\r\n";
constexpr std::string_view post_text = "POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 4\r\n\r\nbody";

class Departure : public Flow {
 protected:
  /// No route has a time limit: nothing but the departure ends a request.
  static snapshot::Snapshot patient(snapshot::Snapshot snapshot) {
    for (std::size_t i = 0; i < snapshot.routes.size(); ++i) forward(snapshot, i).timeout = 0ms;
    return snapshot;
  }
  void expect_gone(std::size_t requests = 1) {
    EXPECT_EQ(worker_->connections(), 0U);
    EXPECT_EQ(total("weft_requests_active"), 0U);
    EXPECT_EQ(total("istio_requests_total", {{"response_flags", "DC"}}), requests);
    EXPECT_EQ(total("weft_upstream_connect_failures_total"), 0U);
  }
};

TEST_F(Departure, TogetherWithTheRequest) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(patient(simple({1})));
  for (const bool closes : {false, true}) {
    auto wire = connect();
    wire.send_last(std::string(post_text), closes);
  }
  EXPECT_TRUE(backend(1).wires.empty());
  expect_gone(2);
}

TEST_F(Departure, WhileConnecting) {
  backend(1).mode = Backend::Mode::hang_connect;
  apply(patient(simple({1})));
  auto wire = connect();
  wire.send(post_text);
  wire.close();
  expect_gone();
}

TEST_F(Departure, WhileWaitingForAConnection) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = patient(simple({1}));
  snapshot.clusters[0].max_connections = 1;
  apply(snapshot);
  auto first = connect();
  first.send(get_text);
  auto second = connect();
  second.send(post_text);
  second.close();
  backend(1).wires.at(0)->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(status_of_response(first.receive()), 200);
  EXPECT_THAT(backend(1).wires.at(0)->receive(), Not(HasSubstr("POST")));
  first.close();
  expect_gone();
}

TEST_F(Departure, BehindRequestsThatFillTheBuffer) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(patient(simple({1})));
  auto wire = connect();
  std::string many;
  while (many.size() < 200'000) many += get_text;
  wire.send(many);
  ASSERT_EQ(backend(1).wires.size(), 1U);
  wire.close();
  EXPECT_TRUE(backend(1).wires[0]->is_closed());
  expect_gone();
}

TEST_F(Departure, AfterABodyThatCameLater) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(patient(simple({1})));
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 2\r\n\r\n");
  wire.send("ab");
  EXPECT_THAT(backend(1).wires.at(0)->receive(), HasSubstr("\r\n\r\nab"));
  wire.close();
  EXPECT_TRUE(backend(1).wires[0]->is_closed());
  expect_gone();
}

TEST_F(Departure, WhileTheEndpointTakesNoMoreOfTheBody) {
  for (const std::size_t at_hand : {0, 1000}) {
    backends_.clear();
    backend(1).mode = Backend::Mode::by_hand;
    backend(1).capacity = 512;
    apply(patient(simple({1})));
    auto wire = connect();
    wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 200000\r\n\r\n" + std::string(at_hand, 'a'));
    wire.send(std::string(1000, 'b'));
    wire.close();
    EXPECT_TRUE(backend(1).wires.at(0)->is_closed());
  }
  expect_gone(2);
}

TEST_F(Departure, WithinAResponseThatPauses) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(patient(simple({1})));
  auto wire = connect();
  wire.send(get_text);
  backend(1).wires.at(0)->send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\na");
  wire.close();
  EXPECT_TRUE(backend(1).wires[0]->is_closed());
  expect_gone();
}

TEST_F(Departure, ReachesTheApplicationThroughBothChains) {
  backend(1).mode = Backend::Mode::by_hand;
  auto inbound = patient(simple({1}, snapshot::Direction::inbound));
  inbound.context = {"default", "web"};
  inbound.listeners[0].address = address(101);
  apply(inbound);
  apply(patient(simple({101})));
  auto wire = connect();
  wire.send(post_text);
  ASSERT_EQ(backend(1).wires.size(), 1U);
  wire.close();
  EXPECT_TRUE(backend(1).wires[0]->is_closed());
  expect_gone(2);
}

TEST_F(Departure, LeavesRoomForOthers) {
  backend(1).mode = Backend::Mode::by_hand;
  auto snapshot = patient(simple({1}));
  snapshot.clusters[0].max_connections = 8;
  apply(snapshot);
  for (int i = 0; i < 20; ++i) {
    auto wire = connect();
    wire.send(get_text);
    wire.close();
  }
  backend(1).mode = Backend::Mode::answer;
  EXPECT_EQ(body_of(get()), "b1");
}

}  // namespace
}  // namespace weft::proxy::testing
