// Connections that may carry anything: what they carry is found out, and HTTP is never passed on as bytes.
#include "proxy/flow_harness.h"
#include "proxy/opening/hello_for_test.h"
#include "proxy/opening/proxy_header.h"

namespace weft::proxy::testing {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

constexpr auto greeting = "220 mail.example ESMTP\r\n"sv;

/// What simple() makes, but of `auto`.
snapshot::Snapshot automatic(snapshot::Snapshot snapshot) {
  for (std::size_t i = 0; i < snapshot.listeners.size(); ++i) {
    auto& listener = snapshot.listeners[i];
    listener.protocol = snapshot::ListenerProtocol::automatic;
    listener.cluster = snapshot.clusters[i].name;
    snapshot.clusters[i].protocol = snapshot::ClusterProtocol::automatic;
  }
  return snapshot;
}

class Detection : public ContextFlow {
 protected:
  Detection() {
    backend(1).mode = Backend::Mode::by_hand;
    apply(automatic(simple({1})));
  }
  Wire& server(std::size_t number = 0) { return *backend(1).wires.at(number); }
  std::size_t servers() { return backend(1).wires.size(); }
  /// The client has waited for the server's first word.
  void wait() { advance(limits().first_word_wait); }
};

TEST_F(Detection, ARequestGoesByTheRoutes) {
  auto client = connect();
  client.send(get_text);
  ASSERT_EQ(servers(), 1U);
  EXPECT_THAT(server().receive(), HasSubstr("x-request-id: "));
  server().send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  EXPECT_EQ(body_of(client.receive()), "ok");
  client.send(get_text);
  EXPECT_THAT(server().receive(), HasSubstr("x-request-id: ")) << "on the same connections";
  EXPECT_EQ(total("istio_tcp_connections_opened_total"), 0U);
  EXPECT_EQ(total("weft_downstream_connections_total"), 1U);
  EXPECT_EQ(total("weft_downstream_connections_active"), 1U);
}

TEST_F(Detection, ARequestByteByByte) {
  auto client = connect();
  for (const char c : get_text) {
    client.send({&c, 1});
    advance(1ms);
  }
  ASSERT_EQ(servers(), 1U);
  EXPECT_THAT(server().receive(), HasSubstr("x-request-id: "));
}

TEST_F(Detection, AMalformedRequestIsRefused) {
  for (const auto text : {"get / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"sv, "GET /\r\n"sv,
                          "X x HTTP/3.0\r\n\r\n"sv, "PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\n\r\n"sv}) {
    auto client = connect();
    EXPECT_NE(status_of_response(client.exchange(text)), 0) << text;
    EXPECT_TRUE(client.is_closed());
  }
  EXPECT_EQ(servers(), 0U);
}

TEST_F(Detection, BytesOfAnotherProtocolArePassedOn) {
  auto client = connect();
  for (const char c : "*1\r\n$4\r\nPING\r\n"sv) client.send({&c, 1});
  ASSERT_EQ(servers(), 1U);
  EXPECT_EQ(server().receive(), "*1\r\n$4\r\nPING\r\n");
  server().send("+PONG\r\n");
  EXPECT_EQ(client.receive(), "+PONG\r\n");
  client.send(get_text);
  EXPECT_EQ(server().receive(), get_text) << "what began as bytes is bytes";
  client.shutdown();
  EXPECT_TRUE(server().is_closed());
  server().close();
  EXPECT_TRUE(client.is_closed());
  EXPECT_EQ(total("istio_tcp_connections_opened_total"), 1U);
  EXPECT_EQ(total("istio_tcp_connections_closed_total"), 1U);
  EXPECT_EQ(total("weft_downstream_connections_total"), 1U);
}

TEST_F(Detection, AServerThatSpeaksFirstIsAsked) {
  auto client = connect();
  EXPECT_EQ(servers(), 0U);
  wait();
  ASSERT_EQ(servers(), 1U);
  server().send(greeting);
  EXPECT_EQ(client.receive(), greeting);
  client.send("EHLO shop\r\n");
  EXPECT_EQ(server().receive(), "EHLO shop\r\n");
}

TEST_F(Detection, AClientThatSpeaksLateUsesTheOpenConnection) {
  auto client = connect();
  wait();
  client.send("PING\r\n");
  ASSERT_EQ(servers(), 1U);
  EXPECT_EQ(server().receive(), "PING\r\n");
}

TEST_F(Detection, ALateRequestIsServedAndTheOpenConnectionDropped) {
  auto client = connect();
  wait();
  advance(500ms);
  ASSERT_EQ(servers(), 1U);
  client.send(get_text);
  EXPECT_EQ(server().receive(), "");
  EXPECT_TRUE(server().is_closed());
  ASSERT_EQ(servers(), 2U);
  EXPECT_THAT(server(1).receive(), HasSubstr("x-request-id: "));
  EXPECT_EQ(total("istio_tcp_connections_opened_total"), 0U);
}

TEST_F(Detection, WhileItConnects) {
  backend(1).connect_time = 1s;
  auto request = connect();
  auto bytes = connect();
  wait();
  request.send(get_text);
  bytes.send("PING\r\n");
  advance(1s);
  ASSERT_EQ(servers(), 2U)
      << "the connection that was asked for is used for bytes, and not made for a request";
  EXPECT_EQ(server(0).receive(), "PING\r\n");
  EXPECT_THAT(server(1).receive(), HasSubstr("x-request-id: "));
}

TEST_F(Detection, AServerThatSpeaksHttpFirstIsSpokenToInHttp) {
  for (const auto word : {"HTTP/1.1 408 Request Timeout\r\n\r\n"sv, "\0\0\0\4\0\0\0\0\0"sv}) {
    auto client = connect();
    wait();
    server(servers() - 1).send(word);
    EXPECT_EQ(client.receive(), "");
    const auto before = servers();
    client.send("PING\r\n");
    EXPECT_EQ(status_of_response(client.receive()), 400);
    EXPECT_EQ(servers(), before);
  }
}

TEST_F(Detection, AServerThatEndsAtOnce) {
  for (const auto& [said, passed] : {std::pair("PING\r\n"sv, "PING\r\n"sv), std::pair(get_text, ""sv)}) {
    auto client = connect();
    wait();
    auto& last = server(servers() - 1);
    last.shutdown();
    EXPECT_TRUE(client.is_closed());
    client.send(said);
    EXPECT_EQ(last.receive(), passed);
  }
  auto client = connect();
  wait();
  server(servers() - 1).reset();
  EXPECT_TRUE(client.is_closed());
}

TEST_F(Detection, WithoutAnEndpointARequestIsAnsweredAndAllElseEnds) {
  backend(1).mode = Backend::Mode::refuse;
  auto request = connect();
  auto silent = connect();
  auto bytes = connect();
  wait();
  EXPECT_EQ(status_of_response(request.exchange(get_text)), 503);
  bytes.send("PING\r\n");
  EXPECT_TRUE(bytes.is_closed());
  EXPECT_FALSE(silent.is_closed());
  advance(limits().first_word_limit);
  EXPECT_TRUE(silent.is_closed());
  EXPECT_EQ(total("istio_tcp_connections_opened_total"), 2U);
  EXPECT_EQ(total("istio_tcp_connections_closed_total"), 2U);
}

TEST_F(Detection, ABeginningMustBecomeSomething) {
  auto before = connect();
  before.send("GE");
  auto after = connect();
  wait();
  after.send("GE");
  advance(limits().head_timeout - 10ms);
  EXPECT_FALSE(before.is_closed());
  advance(10ms);
  EXPECT_TRUE(before.is_closed());
  EXPECT_TRUE(after.is_closed());
  EXPECT_EQ(server().receive(), "");
}

TEST_F(Detection, AServerMayTakeItsTimeToGreet) {
  auto client = connect();
  wait();
  advance(500ms);
  server().send(greeting);
  EXPECT_EQ(client.receive(), greeting);
  advance(59min);
  EXPECT_FALSE(client.is_closed()) << "an opaque connection";
  EXPECT_FALSE(server().is_closed());
}

TEST_F(Detection, TwoThatKeepSilentHoldNoConnectionToAnEndpoint) {
  auto bytes = connect();
  auto request = connect();
  auto gone = connect();
  auto silent = connect();
  wait();
  advance(limits().first_word_limit);
  ASSERT_EQ(servers(), 4U);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(server(i).is_closed());
  EXPECT_EQ(total("weft_upstream_connections_active"), 0U);
  bytes.send("PING\r\n");
  ASSERT_EQ(servers(), 5U);
  EXPECT_EQ(server(4).receive(), "PING\r\n");
  request.send(get_text);
  ASSERT_EQ(servers(), 6U);
  EXPECT_THAT(server(5).receive(), HasSubstr("x-request-id: "));
  gone.shutdown();
  EXPECT_TRUE(gone.is_closed());
  EXPECT_EQ(servers(), 6U);
  advance(limits().idle_timeout - 1ms);
  EXPECT_FALSE(silent.is_closed());
  advance(1ms);
  EXPECT_TRUE(silent.is_closed());
  EXPECT_EQ(total("istio_tcp_connections_opened_total"), 1U);
}

TEST_F(Detection, ABeginningJustBeforeALimitIsWaitedFor) {
  const base::Duration first = limits().first_word_limit;
  const base::Duration idle = limits().idle_timeout;
  for (const auto& [before, limit] : {std::pair(base::Duration::zero(), first), std::pair(first, idle)}) {
    auto client = connect();
    wait();
    advance(before);
    advance(limit - 1ms);
    client.send("GE");
    advance(1s);
    client.send(get_text.substr(2));
    EXPECT_THAT(server(servers() - 1).receive(), HasSubstr("x-request-id: "));
  }
}

TEST_F(Detection, SilenceHasTheListenersOwnLimitAndEndsWhereItDrains) {
  auto own = automatic(simple({1}));
  own.listeners[0].idle_timeout = 3s;
  apply(own);
  auto client = connect();
  wait();
  advance(limits().first_word_limit);
  advance(2999ms);
  EXPECT_FALSE(client.is_closed());
  advance(1ms);
  EXPECT_TRUE(client.is_closed());
  own.listeners[0].drain = 1h;
  apply(own);
  auto late = connect();
  wait();
  EXPECT_FALSE(late.is_closed()) << "its server may greet";
  advance(limits().first_word_limit);
  EXPECT_TRUE(late.is_closed());
}

TEST_F(Detection, ClientsThatLeave) {
  auto at_once = connect();
  at_once.shutdown();
  ASSERT_EQ(servers(), 1U) << "it may want to read all the same";
  EXPECT_TRUE(server(0).is_closed());
  auto reset = connect();
  reset.reset();
  EXPECT_EQ(servers(), 1U);
  auto later = connect();
  wait();
  later.reset();
  EXPECT_TRUE(server(1).is_closed());
  auto unfinished = connect();
  unfinished.send("ruok");
  unfinished.shutdown();
  EXPECT_EQ(server(2).receive(), "ruok");
  server(0).close();
  server(2).close();
  EXPECT_EQ(total("weft_downstream_connections_active"), 0U);
  EXPECT_EQ(total("weft_upstream_connections_active"), 0U);
}

TEST_F(Detection, WhereNobodyHasSpokenNothingIsWaitedFor) {
  const auto own = automatic(simple({1}));
  auto draining = own;
  draining.listeners[0].drain = 1h;
  auto moved = own;
  moved.listeners[0].address = address(201);
  auto removed = own;
  removed.listeners.pop_back();
  for (const auto& next : {draining, moved, removed}) {
    apply(own);
    auto spoken = connect();
    spoken.send("PING\r\n");
    auto silent = connect();
    wait();
    apply(next);
    EXPECT_TRUE(silent.is_closed());
    EXPECT_FALSE(spoken.is_closed());
  }
  apply(own);
  auto silent = connect();
  wait();
  worker_->begin_drain();
  EXPECT_TRUE(silent.is_closed());
  EXPECT_EQ(total("istio_tcp_connections_closed_total"), 4U);
}

TEST_F(Detection, TwoChainsWaitOnce) {
  apply(automatic(web_context({1})));
  apply(automatic(shop_context({1})));
  auto client = connect();
  wait();
  ASSERT_EQ(servers(), 1U);
  server().send(greeting);
  EXPECT_EQ(client.receive(), greeting);
  auto request = connect();
  request.send(get_text);
  ASSERT_EQ(servers(), 2U) << "one connection for a request, however many chains";
  EXPECT_THAT(server(1).receive(), HasSubstr("x-request-id: "));
}

TEST_F(Detection, TwoChainsKeepNoSilentConnection) {
  apply(automatic(web_context({1})));
  apply(automatic(shop_context({1})));
  auto client = connect();
  wait();
  ASSERT_EQ(servers(), 1U);
  advance(limits().first_word_limit);
  EXPECT_TRUE(server().is_closed());
  server().close();
  EXPECT_EQ(total("weft_upstream_connections_active"), 0U);
  EXPECT_EQ(servers(), 1U);
  client.send("PING\r\n");
  ASSERT_EQ(servers(), 2U);
  EXPECT_EQ(server(1).receive(), "PING\r\n");
}

// The PROXY protocol.

class Proxied : public Detection {
 protected:
  static snapshot::Snapshot with_header(snapshot::ListenerProtocol protocol) {
    auto own = automatic(simple({1}, snapshot::Direction::edge));
    own.listeners[0].protocol = protocol;
    own.listeners[0].proxy_protocol = true;
    own.clusters.push_back(cluster("bytes", {1}));
    own.clusters[1].protocol = snapshot::ClusterProtocol::tcp;
    own.clusters[1].proxy_protocol = snapshot::ProxyProtocol::v2;
    own.listeners[0].cluster = "bytes";
    return own;
  }
  const base::Address source = *base::Address::parse("192.0.2.1:56324");
  const base::Address destination = *base::Address::parse("198.51.100.2:443");
};

TEST_F(Proxied, TheClientIsWhomTheHeaderNames) {
  using enum snapshot::ListenerProtocol;
  for (const auto protocol : {http, automatic}) {
    apply(with_header(protocol));
    for (const auto& header :
         {opening::proxy_header_v1(source, destination), opening::proxy_header_v2(source, destination)}) {
      auto client = connect();
      for (const char c : header) client.send({&c, 1});
      client.send(get_text);
      EXPECT_THAT(server(servers() - 1).receive(), HasSubstr("x-forwarded-for: 192.0.2.1\r\n"));
      client.close();
    }
  }
}

TEST_F(Proxied, BytesAndHeadersInOnePiece) {
  apply(with_header(snapshot::ListenerProtocol::automatic));
  auto client = connect();
  client.send(opening::proxy_header_v1(source, destination) + "PING\r\n");
  EXPECT_EQ(server().receive(), opening::proxy_header_v2(source, destination) + "PING\r\n");
}

TEST_F(Proxied, AServerThatSpeaksFirstIsToldFirst) {
  apply(with_header(snapshot::ListenerProtocol::automatic));
  auto client = connect();
  client.send(opening::proxy_header_v1(source, destination));
  wait();
  EXPECT_EQ(server().receive(), opening::proxy_header_v2(source, destination));
  server().send(greeting);
  EXPECT_EQ(client.receive(), greeting);
}

TEST_F(Proxied, WhoSpeaksForItselfIsNobody) {
  apply(with_header(snapshot::ListenerProtocol::tcp));
  auto client = connect();
  client.send(opening::proxy_header_v2({}, {}));
  EXPECT_EQ(server().receive(), opening::proxy_header_v2({}, {}));
}

TEST_F(Proxied, WithoutAHeaderNothingIsServed) {
  using enum snapshot::ListenerProtocol;
  std::size_t refused = 0;
  for (const auto protocol : {http, automatic, tcp}) {
    apply(with_header(protocol));
    for (const auto text :
         {get_text, "PROXY TCP4 1.2.3.4 5.6.7.8 1 x\r\nGET / HTTP/1.1\r\n\r\n"sv, "PING\r\n"sv}) {
      auto client = connect();
      client.send(text);
      EXPECT_TRUE(client.is_closed()) << text;
      EXPECT_EQ(total("weft_protocol_errors_total"), ++refused);
    }
    auto silent = connect();
    auto half = connect();
    half.send("PROXY TCP4");
    half.shutdown();
    EXPECT_TRUE(half.is_closed());
    advance(limits().head_timeout);
    EXPECT_TRUE(silent.is_closed());
    refused += 2;
  }
  EXPECT_EQ(servers(), 0U);
  EXPECT_EQ(total("weft_downstream_connections_active"), 0U);
}

TEST_F(Proxied, WhoSaysNothingIsNotWaitedFor) {
  apply(with_header(snapshot::ListenerProtocol::http));
  auto silent = connect();
  auto begun = connect();
  begun.send("PROXY TCP4");
  worker_->begin_drain();
  EXPECT_TRUE(silent.is_closed());
  EXPECT_FALSE(begun.is_closed());
  begun.close();
  auto late = connect();
  advance(limits().drain_idle_timeout);
  EXPECT_TRUE(late.is_closed());
  EXPECT_EQ(total("weft_protocol_errors_total"), 1U) << "of the one that had begun";
}

// TLS that is passed through.

class Passthrough : public Detection {
 protected:
  Passthrough() {
    backend(2).mode = Backend::Mode::by_hand;
    auto own = simple({1});
    own.routes = {};
    own.clusters[0].protocol = snapshot::ClusterProtocol::tcp;
    own.clusters.push_back(cluster("two", {2}));
    own.clusters[1].protocol = snapshot::ClusterProtocol::tcp;
    auto& listener = own.listeners[0];
    listener.protocol = snapshot::ListenerProtocol::tls;
    listener.sni = {{{"shop.example", "*.shop.example"}, "app"}, {{"a.shop.example"}, "two"}};
    apply(own);
  }
  /// Where a client goes who asks for that: 1, 2, or 0 for nowhere.
  int way(std::string_view name) {
    const auto before = backend(2).wires.size();
    const auto hello = opening::testing::hello_to(name);
    auto client = connect();
    client.send(hello);
    if (backend(2).wires.size() > before) {
      EXPECT_EQ(backend(2).wires.back()->receive(), hello);
      return 2;
    }
    if (servers() == 0 || backend(1).wires.back()->receive() != hello) return 0;
    return 1;
  }
};

TEST_F(Passthrough, GoesByTheServerName) {
  EXPECT_EQ(way("shop.example"), 1);
  EXPECT_EQ(way("Shop.Example"), 1);
  EXPECT_EQ(way("b.shop.example"), 1);
  EXPECT_EQ(way("a.shop.example"), 2);
  EXPECT_EQ(way("other.example"), 0);
}

TEST_F(Passthrough, InPieces) {
  const auto hello = opening::testing::records(
      opening::testing::hello_message(opening::testing::server_name("a.shop.example")), 3);
  auto client = connect();
  for (const char c : hello) client.send({&c, 1});
  ASSERT_EQ(backend(2).wires.size(), 1U);
  EXPECT_EQ(backend(2).wires[0]->receive(), hello);
  backend(2).wires[0]->send("\x16\3\3");
  EXPECT_EQ(client.receive(), "\x16\3\3");
}

TEST_F(Passthrough, WhoSaysNothingIsNotWaitedFor) {
  auto silent = connect();
  auto begun = connect();
  begun.send("\x16");
  worker_->begin_drain();
  EXPECT_TRUE(silent.is_closed());
  EXPECT_FALSE(begun.is_closed());
  EXPECT_EQ(total("weft_protocol_errors_total"), 0U);
}

TEST_F(Passthrough, WhatNobodyTakesIsTold) {
  const auto unrecognized_name = "\x15\3\3\0\2\2\x70"s;
  auto other = connect();
  EXPECT_EQ(other.exchange(opening::testing::hello_to("other.example")), unrecognized_name);
  EXPECT_TRUE(other.is_closed());
  auto nameless = connect();
  EXPECT_EQ(nameless.exchange(opening::testing::records(opening::testing::hello_message(""))),
            unrecognized_name);
  auto malformed = connect();
  EXPECT_EQ(malformed.exchange("\x16\3\1\0\4\1\0\0\0"s), "\x15\3\3\0\2\2\x32"s);
  auto plain = connect();
  EXPECT_EQ(plain.exchange(get_text), "");
  EXPECT_TRUE(plain.is_closed());
  auto silent = connect();
  advance(limits().head_timeout);
  EXPECT_TRUE(silent.is_closed());
  EXPECT_EQ(servers() + backend(2).wires.size(), 0U);
  EXPECT_EQ(total("weft_refused_total"), 5U);
}

}  // namespace
}  // namespace weft::proxy::testing
