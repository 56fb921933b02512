// A listener whose instance is about to go: what is under way ends there, and what has no end of its own is
// not waited for.
#include "proxy/flow_harness.h"

namespace weft::proxy::testing {
namespace {

constexpr std::string_view inbound = "inbound/default/web-1/80";
constexpr std::string_view post_text = "POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 4\r\n\r\nbody";
constexpr std::string_view ok_text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

class Draining : public ContextFlow {
 protected:
  Draining() {
    backend(1).mode = Backend::Mode::by_hand;
    apply(web_context({1}));
    apply(shop_context({1}));
  }
  /// As the control plane does it: first the callers know, then the instance's own listener.
  void drain() {
    auto callers = shop_context({1});
    callers.clusters[0].endpoints[0].health = snapshot::Health::draining;
    apply(callers);
    apply(draining());
  }
  static snapshot::Snapshot draining() {
    auto own = web_context({1});
    own.listeners[0].drain = 3s;
    return own;
  }
  bool is_busy(bool with_streams = true) {
    settle();
    return worker_->is_busy(web, find_listener(std::string(inbound), web)->number, with_streams);
  }
  Wire& application(std::size_t number = 0) { return *backend(1).wires.at(number); }
};

TEST_F(Draining, ARequestUnderWayEndsFirst) {
  auto client = connect();
  client.send(post_text);
  drain();
  EXPECT_TRUE(is_busy());
  EXPECT_TRUE(is_busy(false));
  application().send(ok_text);
  EXPECT_EQ(status_of_response(client.receive()), 200);
  EXPECT_FALSE(is_busy());
  EXPECT_FALSE(client.is_closed()) << "the caller's own client may go on";
}

TEST_F(Draining, CallersCloseWhatRestsAsSoonAsTheyKnow) {
  auto client = connect();
  client.send(get_text);
  application().send(ok_text);
  EXPECT_EQ(status_of_response(client.receive()), 200);
  EXPECT_TRUE(is_busy()) << "they could send another request";
  drain();
  EXPECT_FALSE(is_busy());
}

TEST_F(Draining, WhatIsStillToComeOfACallerIsServed) {
  apply(draining());
  auto client = connect();
  client.send(post_text);
  EXPECT_TRUE(is_busy());
  application().send(ok_text);
  EXPECT_EQ(status_of_response(client.receive()), 200);
  EXPECT_FALSE(is_busy()) << "one request, for it is the last of its connection";
}

TEST_F(Draining, WhoRestsAndDoesNotKnowIsNotWaitedFor) {
  auto before = connect(std::string(inbound), web);
  before.send(get_text);
  application().send(ok_text);
  before.receive();
  drain();
  auto after = connect(std::string(inbound), web);
  EXPECT_TRUE(is_busy());
  advance(1s);
  EXPECT_FALSE(is_busy());
  EXPECT_TRUE(before.is_closed());
  EXPECT_TRUE(after.is_closed());
}

TEST_F(Draining, TunnelsAndEventStreamsCountApart) {
  auto upgraded = connect();
  upgraded.send("GET / HTTP/1.1\r\nhost: web\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  application(0).send(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  auto events = connect();
  events.send("GET / HTTP/1.1\r\nhost: web\r\naccept: */*\r\n\r\n");
  application(1).send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n");
  drain();
  EXPECT_TRUE(is_busy());
  EXPECT_FALSE(is_busy(false));
  auto request = connect(std::string(inbound), web);
  request.send(post_text);
  EXPECT_TRUE(is_busy(false)) << "a request is waited for beside them";
  EXPECT_THAT(upgraded.receive(), HasSubstr("101"));
  EXPECT_FALSE(upgraded.is_closed()) << "they are not cut";
  EXPECT_FALSE(events.is_closed());
}

TEST_F(Draining, OpaqueConnectionsAreTunnels) {
  auto own = draining();
  own.listeners[0].protocol = snapshot::ListenerProtocol::tcp;
  own.clusters[0].protocol = snapshot::ClusterProtocol::tcp;
  own.listeners[0].cluster = own.clusters[0].name;
  own.listeners[0].routes.clear();
  own.routes = {};
  apply(own);
  auto client = connect(std::string(inbound), web);
  client.send("hello");
  EXPECT_TRUE(is_busy());
  EXPECT_FALSE(is_busy(false));
  client.close();
  application().close();
  EXPECT_FALSE(is_busy());
}

TEST_F(Draining, ThatEndsAgainLeavesAListenerLikeAnyOther) {
  apply(draining());
  apply(web_context({1}));
  auto client = connect(std::string(inbound), web);
  for (int i = 0; i < 2; ++i) {
    client.send(get_text);
    application().send(ok_text);
    EXPECT_EQ(status_of_response(client.receive()), 200);
  }
  advance(10s);
  EXPECT_FALSE(client.is_closed());
}

}  // namespace
}  // namespace weft::proxy::testing
