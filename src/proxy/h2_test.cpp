// Flows with HTTP/2 on one side or both, between a client and backends that a test drives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/h2/peer_for_test.h"
#include "proxy/h2_harness.h"

namespace weft::proxy::testing {
namespace {

using Kind = http::ReadError::Kind;

TEST_F(H2Flow, ToHttp1AndBack) {
  backend(1).mode = Backend::Mode::answer;
  serve(ClusterProtocol::http1);
  auto connection = client();
  auto stream = ask(connection, head(Method::post), Content::unknown());
  write(stream, "body", true);
  EXPECT_EQ(status(stream), 200);
  EXPECT_EQ(read(stream), "b1:body");
  EXPECT_TRUE(stream.body_done());
  ASSERT_EQ(backend(1).requests.size(), 1U);
  EXPECT_THAT(backend(1).requests[0], HasSubstr("transfer-encoding: chunked"));
  // One without a body says so to HTTP/1.1.
  auto empty = ask(connection, head(Method::post));
  EXPECT_EQ(status(empty), 200);
  EXPECT_THAT(backend(1).requests.at(1), HasSubstr("content-length: 0"));
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "200"}, {"request_protocol", "http"}}), 2U);
}

TEST_F(H2Flow, FromHttp1) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto wire = connect();
  wire.send(
      "POST /x HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-end: 1\r\n\r\n");
  auto stream = called();
  EXPECT_EQ(stream.head().target, "/x");
  EXPECT_EQ(stream.head().authority(), "web");
  EXPECT_EQ(read(stream), "abc");
  EXPECT_EQ(stream.trailers(), (Headers{{"x-end", "1"}}));
  begin_answer(stream, 201, {{"x-a", "1"}});
  const Headers trailers{{"x-last", "2"}};
  write(stream, "answer", true, &trailers);
  EXPECT_EQ(wire.receive(),
            "HTTP/1.1 201 Created\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n6\r\nanswer\r\n0\r\nx-last: "
            "2\r\n\r\n");
}

TEST_F(H2Flow, BothWaysWithInterimHeadsAndTrailers) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto connection = client();
  auto asking = ask(connection, head(Method::post), Content::of_length(3));
  auto answering = called();
  answer(answering, 103, {{"link", "</a>"}});
  EXPECT_EQ(status(asking), 103);
  EXPECT_EQ(asking.head().headers.find("link"), "</a>");
  write(asking, "abc", true);
  EXPECT_EQ(read(answering), "abc");
  begin_answer(answering, 200);
  EXPECT_EQ(status(asking), 200);
  const Headers trailers{{"x-end", "1"}};
  write(answering, "piece", true, &trailers);
  EXPECT_EQ(read(asking), "piece");
  EXPECT_TRUE(asking.body_done());
  EXPECT_EQ(asking.trailers(), trailers);
}

TEST_F(H2Flow, ManyRequestsShareASessionFromTheFirstOn) {
  backend(1).mode = Backend::Mode::h2;
  backend(1).connect_time = 5ms;
  serve(ClusterProtocol::http2);
  auto connection = client();
  std::vector<ClientStream> asking;
  for (int i = 0; i < 50; ++i) asking.push_back(ask(connection, head()));
  advance(5ms);
  EXPECT_EQ(backend(1).connections, 1U);
  for (std::size_t i = 0; i < asking.size(); ++i) {
    auto answering = called();
    answer(answering, 204);
  }
  for (auto& stream : asking) EXPECT_EQ(status(stream), 204);
}

TEST_F(H2Flow, APeersLimitOfStreamsOpensMoreSessions) {
  backend(1).mode = Backend::Mode::h2;
  backend(1).h2_limits.max_streams = 2;
  serve(ClusterProtocol::http2);
  auto connection = client();
  std::vector<ClientStream> asking;
  for (int i = 0; i < 6; ++i) asking.push_back(ask(connection, head()));
  EXPECT_EQ(backend(1).connections, 3U);
}

TEST_F(H2Flow, WhatWasNotProcessedIsSentAgain) {
  for (const int number : {1, 2}) backend(number).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2, {1, 2});
  auto connection = client();
  auto asking = ask(connection, head(Method::post));
  {
    auto refusing = called(1);
    refusing.reset(http::h2::ResetCode::refused_stream);
  }
  auto answering = called(2);
  answer(answering, 200);
  EXPECT_EQ(status(asking), 200);
  EXPECT_EQ(total("weft_retries_total"), 1U);
}

TEST_F(H2Flow, AServersGoAwayLetsRequestsEndAndTakesNoMore) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto connection = client();
  auto first = ask(connection, head());
  auto answering = called();
  backend(1).sessions[0].shut_down();
  settle();
  auto second = ask(connection, head());
  EXPECT_EQ(backend(1).connections, 2U);
  answer(answering, 200);
  EXPECT_EQ(status(first), 200);
  auto next = called(1, 1);
  answer(next, 204);
  EXPECT_EQ(status(second), 204);
}

TEST_F(H2Flow, AClientsResetReachesTheService) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto connection = client();
  auto asking = ask(connection, head(Method::post), Content::unknown());
  auto other = ask(connection, head());
  auto answering = called();
  asking.reset(http::h2::ResetCode::cancel);
  settle();
  EXPECT_FALSE(answering.is_open());
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "DC"}}), 1U);
  auto others = called();
  answer(others, 200);
  EXPECT_EQ(status(other), 200) << "its connection goes on";
}

TEST_F(H2Flow, ACutAnswerIsNoWholeOne) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto connection = client();
  auto asking = ask(connection, head());
  {
    auto answering = called();
    begin_answer(answering, 200);
    write(answering, "half", false);
  }
  EXPECT_EQ(status(asking), 200);
  EXPECT_EQ(read(asking), "half");
  EXPECT_FALSE(asking.is_open());
  EXPECT_FALSE(asking.body_done());
}

TEST_F(H2Flow, AListenerThatGoesLetsRequestsEnd) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto connection = client();
  auto asking = ask(connection, head());
  auto answering = called();
  worker_->remove({"default", "shop"});
  settle();
  EXPECT_FALSE(connection.is_open());
  answer(answering, 200);
  EXPECT_EQ(status(asking), 200);
  EXPECT_TRUE(connection.has_ended());
}

TEST_F(H2Flow, AConnectionAtRestEnds) {
  backend(1).mode = Backend::Mode::answer;
  serve(ClusterProtocol::http1);
  auto connection = client();
  auto stream = ask(connection, head());
  EXPECT_EQ(status(stream), 200);
  advance(limits().idle_timeout + 1s);
  EXPECT_TRUE(connection.has_ended());
  EXPECT_EQ(total("weft_downstream_connections_active"), 0U);
  EXPECT_EQ(total("weft_downstream_connections_total"), 1U);
}

TEST_F(H2Flow, AReaderThatStopsHoldsTheServiceBack) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto connection = client({.stream_window = 65'535, .connection_window = 65'535});
  auto asking = ask(connection, head());
  auto answering = called();
  begin_answer(answering, 200);
  constexpr std::size_t much = 5'000'000;
  write(answering, std::string(much, 'x'), true);
  // The windows of both connections, and what lies between them.
  EXPECT_LT(answering.bytes_sent(), 1'000'000U);
  EXPECT_EQ(status(asking), 200);
  EXPECT_EQ(read(asking).size(), much);
  EXPECT_TRUE(asking.body_done());
}

TEST_F(H2Flow, AReaderThatStopsForGoodIsGivenUp) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto connection = client({.stream_window = 1'000});
  auto asking = ask(connection, head());
  auto answering = called();
  begin_answer(answering, 200);
  write(answering, std::string(5'000'000, 'x'), true);
  advance(limits().body_timeout + 1s);
  EXPECT_FALSE(answering.is_open());
  EXPECT_TRUE(connection.is_open());
}

TEST_F(H2Flow, WebSocketToHttp1) {
  backend(1).mode = Backend::Mode::by_hand;
  serve(ClusterProtocol::http1);
  auto connection = client();
  auto asking = std::move(*connection.open());
  asking.put_head(head(), {}, {}, "websocket");
  settle();
  auto& wire = *backend(1).wires.at(0);
  const auto request = wire.receive();
  EXPECT_THAT(request, HasSubstr("GET / HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("upgrade: websocket\r\n"));
  EXPECT_THAT(request, HasSubstr("sec-websocket-key: "));
  wire.send(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
      "sec-websocket-accept: x\r\nsec-websocket-protocol: chat\r\n\r\nhello");
  EXPECT_EQ(status(asking), 200);
  EXPECT_EQ(asking.head().headers, (Headers{{"sec-websocket-protocol", "chat"}}));
  EXPECT_EQ(read(asking), "hello");
  write(asking, "ping", false);
  EXPECT_EQ(wire.receive(), "ping");
  const std::string much(300'000, 'x');
  wire.send(much);
  EXPECT_EQ(read(asking), much);
  write(asking, {}, true);
  EXPECT_TRUE(wire.is_closed());
  wire.shutdown();
  EXPECT_EQ(read(asking), "");
  EXPECT_TRUE(asking.body_done());
}

TEST_F(H2Flow, WebSocketFromHttp1) {
  backend(1).mode = Backend::Mode::h2;
  serve(ClusterProtocol::http2);
  auto wire = connect();
  // The key and its answer are RFC 6455's own (1.3).
  wire.send(
      "GET /chat HTTP/1.1\r\nhost: web\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\n"
      "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n");
  auto answering = called();
  EXPECT_TRUE(answering.is_tunnel());
  EXPECT_EQ(answering.head().target, "/chat");
  EXPECT_EQ(answering.head().headers.find("upgrade"), "websocket");
  EXPECT_FALSE(answering.head().headers.has("sec-websocket-key"));
  EXPECT_EQ(answering.head().headers.find("sec-websocket-version"), "13");
  answer(answering, 200);
  const auto response = wire.receive();
  EXPECT_THAT(response, HasSubstr("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_THAT(response, HasSubstr("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  wire.send("ping");
  EXPECT_EQ(read(answering), "ping");
  write(answering, "pong", true);
  EXPECT_EQ(wire.receive(), "pong");
  EXPECT_TRUE(wire.is_closed());
}

TEST_F(H2Flow, ATunnelEndsBehindItsLastByte) {
  backend(1).mode = Backend::Mode::h2;
  backend(1).h2_limits.stream_window = 1'000;
  serve(ClusterProtocol::http2);
  auto wire = connect();
  wire.send("GET /chat HTTP/1.1\r\nhost: web\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\n\r\n");
  auto answering = called();
  answer(answering, 200);
  EXPECT_EQ(status_of_response(wire.receive()), 101);
  write(answering, {}, true);
  EXPECT_TRUE(wire.is_closed());
  const std::string much(8'000, 'x');
  wire.send(much);
  wire.close();
  EXPECT_EQ(read(answering), much);
  EXPECT_TRUE(answering.body_done());
}

TEST_F(H2Flow, AServerWithoutExtendedConnectIsAskedWithoutAnUpgrade) {
  backend(1).mode = Backend::Mode::h2;
  backend(1).h2_limits.takes_extended_connect = false;
  serve(ClusterProtocol::http2);
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  auto answering = called();
  EXPECT_FALSE(answering.is_tunnel());
  EXPECT_FALSE(answering.head().headers.has("upgrade"));
  answer(answering, 426);
  EXPECT_EQ(status_of_response(wire.receive()), 426);
}

TEST_F(H2Flow, AClusterOfWhatTheClientSpeaks) {
  backend(1).mode = Backend::Mode::h2;
  backend(2).mode = Backend::Mode::answer;
  serve(ClusterProtocol::automatic, {1});
  auto connection = client();
  auto asking = ask(connection, head());
  auto answering = called();
  answer(answering, 204);
  EXPECT_EQ(status(asking), 204);
  serve(ClusterProtocol::automatic, {2});
  EXPECT_EQ(status_of_response(get()), 200);
}

TEST_F(H2Flow, ANoContentThatEndsByAFrameOfItsOwnHasNone) {
  backend(1).mode = Backend::Mode::by_hand;
  serve(ClusterProtocol::http2);
  auto wire = connect();
  wire.send(get_text);
  http::h2::Peer service(backend(1).wires.at(0)->take(), false);
  service.turn();
  settle();
  service.turn();
  ASSERT_EQ(service.heads.size(), 1U);
  service.head(1, {{":status", "204"}}, false);
  service.body(1, "");
  service.turn();
  EXPECT_EQ(wire.receive(), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST_F(H2Flow, ARefusedHeadDoesNotEndAQuietConnection) {
  backend(1).mode = Backend::Mode::by_hand;
  serve(ClusterProtocol::http1);
  http::h2::Peer peer(dial(), true);
  const http::h2::Peer::Fields good{
      {":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "web"}};
  auto bad = good;
  bad.emplace_back("content-length", "x");
  peer.head(-1, good, true);
  peer.head(-1, bad, true);
  for (int i = 0; i < 3; ++i) {
    peer.turn();
    settle();
  }
  advance(limits().head_timeout + 1s);
  backend(1).wires.at(0)->send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  peer.turn();
  EXPECT_EQ(peer.heads.size(), 1U);
}

TEST_F(H2Flow, ARefusedRequestIsOnRecordAndNothingOfItGoesOn) {
  backend(1).mode = Backend::Mode::answer;
  serve(ClusterProtocol::http1);
  http::h2::Peer peer(dial(), true);
  peer.turn();
  settle();
  const http::h2::Peer::Fields good{
      {":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "web"}};
  auto twice = good;
  twice.emplace_back("content-length", "x");
  auto no_path = good;
  no_path.erase(no_path.begin() + 2);
  auto blank = good;
  blank.emplace_back("x y", "1");
  for (const auto& fields : {twice, no_path, blank}) peer.head(-1, fields, true);
  peer.head(-1, good, true);
  for (int i = 0; i < 3; ++i) {
    peer.turn();
    settle();
  }
  peer.turn();
  EXPECT_EQ(peer.resets.size(), 3U);
  EXPECT_EQ(backend(1).requests.size(), 1U);
  EXPECT_EQ(total("weft_protocol_errors_total"), 3U);
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "DPE"}, {"response_code", "400"}}), 3U);
}

TEST_F(H2Flow, APrefaceMayComeInPiecesAndOnlyAWholeOneIsOne) {
  backend(1).mode = Backend::Mode::answer;
  serve(ClusterProtocol::http1);
  constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  {
    auto wire = connect();
    for (const char c : preface) wire.send({&c, 1});
    EXPECT_THAT(wire.receive(), ::testing::SizeIs(::testing::Ge(9))) << "settings";
    EXPECT_FALSE(wire.is_closed());
  }
  for (const std::string_view broken :
       {"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n", "PRI * HTTP/2.0\r\nhost: a\r\n\r\n", "PRI / HTTP/2.0\r\n\r\n"}) {
    auto wire = connect();
    const auto status = status_of_response(wire.exchange(broken));
    EXPECT_GE(status, 400) << broken;
  }
  auto wire = connect();
  wire.send(preface.substr(0, 20));
  advance(limits().head_timeout + 1s);
  EXPECT_TRUE(wire.is_closed());
}

}  // namespace
}  // namespace weft::proxy::testing
