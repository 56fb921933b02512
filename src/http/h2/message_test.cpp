// What an HTTP/2 message may be: heads that are refused, bodies that are as long as they say, interim heads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "http/h2/connection.h"
#include "http/h2/peer_for_test.h"
#include "message/validate.h"

namespace weft::http::h2 {
namespace {

using message::Content;
using message::Refusal;
using runtime::Reactor;
using runtime::Task;
using Kind = ReadError::Kind;

const Peer::Fields plain{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}};

Peer::Fields with(Peer::Fields fields, const Peer::Fields& more) {
  for (const auto& field : more) fields.push_back(field);
  return fields;
}

Peer::Fields path(std::string text) {
  return {{":method", "GET"}, {":scheme", "http"}, {":path", std::move(text)}, {":authority", "a"}};
}

/// A connection under test and a peer that may do anything.
struct Bench {
  explicit Bench(bool is_server)
      : transports(runtime::memory_pair(reactor, 1 << 20)),
        peer(std::move(transports.first), is_server),
        connection(is_server ? Connection::server(reactor, std::move(transports.second))
                             : Connection::client(reactor, std::move(transports.second))) {}
  void settle() {
    for (bool goes_on = true; goes_on;) {
      peer.turn();
      goes_on = false;
      while (reactor.poll()) goes_on = true;
    }
    peer.turn();
  }
  ClientStream ask(message::Method method = message::Method::get) {
    auto stream = std::move(*connection.open());
    message::RequestHead head;
    head.method = method;
    head.headers = {{"host", "a"}};
    stream.put_head(head, {});
    settle();
    return stream;
  }
  /// The stream that waits to be accepted.
  std::optional<ServerStream> accepted() {
    std::optional<ServerStream> stream;
    auto task = [](Connection* from, std::optional<ServerStream>* into) -> Task<void> {
      *into = co_await from->accept();
    }(&connection, &stream);
    task.start();
    return stream;
  }

  Reactor reactor;
  std::pair<std::unique_ptr<runtime::Stream>, std::unique_ptr<runtime::Stream>> transports;
  Peer peer;
  Connection connection;
};

TEST(H2Message, MalformedRequestsResetTheirStreamAndReachNobody) {
  struct Case {
    std::string_view name;
    Peer::Fields fields;
  };
  Peer::Fields many = plain;
  for (std::size_t i = 0; i < message::max_fields; ++i) many.emplace_back("x-" + std::to_string(i), "a");
  for (const auto& [name, fields] : std::vector<Case>{
           {"no_authority", {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}},
           {"no_path", {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}}},
           {"empty_path", path("")},
           {"relative_path", path("a")},
           {"path_of_other_scheme",
            {{":method", "GET"}, {":scheme", "ftp"}, {":path", "a"}, {":authority", "a"}}},
           {"space_in_path", path("/ HTTP/1.1")},
           {"line_in_path", path("/\r\nx: y")},
           {"above_ascii_in_path", path("/\xc3\xa9")},
           {"fragment", path("/#a")},
           {"bad_escape", path("/%zz")},
           {"nul", path("/%00")},
           {"long_path", path("/" + std::string(message::max_target_bytes, 'a'))},
           {"asterisk_of_get", path("*")},
           {"method", {{":method", "G T"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}},
           {"userinfo", {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "u@a"}}},
           {"no_host", {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a/b"}}},
           {"other_host", with(plain, {{"host", "b"}})},
           {"host_twice", with(plain, {{"host", "a"}, {"host", "b"}})},
           {"connect_without_port", {{":method", "CONNECT"}, {":authority", "a"}}},
           {"line_in_value", with(plain, {{"x", "a\r\nhost: b"}})},
           {"nul_in_value", with(plain, {{"x", std::string("a\0b", 3)}})},
           {"space_before_value", with(plain, {{"x", " a"}})},
           {"space_in_name", with(plain, {{"x y", "a"}})},
           {"colon_in_name", with(plain, {{"x:", "a"}})},
           {"connection", with(plain, {{"connection", "close"}})},
           {"transfer_encoding", with(plain, {{"transfer-encoding", "chunked"}})},
           {"te", with(plain, {{"te", "gzip"}})},
           {"length_sign", with(plain, {{"content-length", "+0"}})},
           {"length_twice", with(plain, {{"content-length", "0"}, {"content-length", "0"}})},
           {"length_without_body", with(plain, {{"content-length", "1"}})},
           {"too_many_fields", many},
       }) {
    Bench bench(true);
    const auto id = bench.peer.head(-1, fields, true);
    const auto good = bench.peer.head(-1, plain, true);
    bench.settle();
    EXPECT_EQ(bench.peer.resets[id], std::uint32_t{NGHTTP2_PROTOCOL_ERROR}) << name;
    const auto stream = bench.accepted();
    ASSERT_TRUE(stream) << name << ": the connection goes on";
    EXPECT_EQ(stream->head().target, "/") << name;
    EXPECT_FALSE(bench.accepted()) << name;
    EXPECT_FALSE(bench.peer.resets.contains(good)) << name;
  }
}

TEST(H2Message, RequestsThatAreTaken) {
  struct Case {
    Peer::Fields fields;
    bool is_end;
    std::string_view target;
    message::Headers headers;
    Content content;
  };
  for (const auto& [fields, is_end, target, headers, content] : std::vector<Case>{
           {plain, true, "/", {{"host", "a"}}, {}},
           {plain, false, "/", {{"host", "a"}}, Content::unknown()},
           {path("/a?b=%20"), true, "/a?b=%20", {{"host", "a"}}, {}},
           {with(plain, {{"content-length", "5"}}),
            false,
            "/",
            {{"host", "a"}, {"content-length", "5"}},
            Content::of_length(5)},
           {with(plain, {{"host", "a"}}), true, "/", {{"host", "a"}}, {}},
           {{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "b"}},
            true,
            "/",
            {{"host", "b"}},
            {}},
           {{{":method", "CONNECT"}, {":authority", "a:1"}}, false, "", {{"host", "a:1"}}, {}},
           {{{":method", "OPTIONS"}, {":scheme", "http"}, {":path", "*"}, {":authority", "a"}},
            true,
            "*",
            {{"host", "a"}},
            {}},
           {with(plain, {{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}}),
            true,
            "/",
            {{"host", "a"}, {"cookie", "a=1; b=2"}, {"x", "y"}},
            {}},
       }) {
    Bench bench(true);
    bench.peer.head(-1, fields, is_end);
    bench.settle();
    const auto stream = bench.accepted();
    ASSERT_TRUE(stream);
    EXPECT_EQ(stream->head().target, target);
    EXPECT_EQ(stream->head().headers, headers);
    EXPECT_EQ(stream->content(), content);
  }
}

TEST(H2Message, MalformedResponsesAreRefused) {
  struct Case {
    std::string_view name;
    Peer::Fields fields;
    Refusal refusal;
  };
  for (const auto& [name, fields, refusal] : {
           Case{"no_status", {{"x", "y"}}, Refusal::malformed_head},
           Case{"status_below", {{":status", "099"}}, Refusal::bad_status_line},
           Case{"switching", {{":status", "101"}}, Refusal::malformed_head},
           Case{"connection", {{":status", "200"}, {"connection", "close"}}, Refusal::malformed_head},
           Case{"value", {{":status", "200"}, {"x", "a\nb"}}, Refusal::bad_field_value},
           Case{"name", {{":status", "200"}, {"a b", "c"}}, Refusal::bad_field_name},
       }) {
    Bench bench(false);
    auto stream = bench.ask();
    bench.peer.head(1, fields, false);
    bench.settle();
    const auto head = stream.try_head();
    ASSERT_TRUE(head && !*head) << name;
    EXPECT_EQ(head->error(), (ReadError{Kind::refused, refusal, {}})) << name;
    EXPECT_EQ(bench.peer.resets[1], std::uint32_t{NGHTTP2_PROTOCOL_ERROR}) << name;
    EXPECT_TRUE(bench.connection.is_open()) << name;
  }
}

/// What is read of a body: it, or why it broke off.
ReadResult<std::string> body_of(RequestStream& stream) {
  std::string body;
  while (true) {
    const auto piece = stream.try_body();
    if (!piece) return body + "...";
    if (!*piece) return std::unexpected(piece->error());
    if ((*piece)->empty()) return body;
    body += **piece;
  }
}

TEST(H2Message, ABodyIsAsLongAsItsHeadSays) {
  const std::vector<std::pair<std::string, bool>> bodies{
      {"", false}, {"abcd", false}, {"abcde", true}, {"abcdef", false}};
  for (const auto& [body, is_right] : bodies) {
    for (const bool is_server : {true, false}) {
      Bench bench(is_server);
      std::optional<ClientStream> client;
      std::optional<ServerStream> server;
      if (is_server) {
        bench.peer.head(-1, with(plain, {{"content-length", "5"}}), false);
        bench.settle();
        server = bench.accepted();
      } else {
        client = bench.ask();
        bench.peer.head(1, {{":status", "200"}, {"content-length", "5"}}, false);
        bench.settle();
        ASSERT_TRUE(client->try_head());
        EXPECT_EQ(client->content(), Content::of_length(5));
      }
      RequestStream& stream = is_server ? static_cast<RequestStream&>(*server) : *client;
      bench.peer.body(1, body);
      bench.settle();
      const auto read = body_of(stream);
      EXPECT_EQ(read.has_value(), is_right) << body;
      if (read) continue;
      EXPECT_EQ(read.error(), (ReadError{Kind::refused, Refusal::length_mismatch, {}})) << body;
      EXPECT_EQ(bench.peer.resets[1], std::uint32_t{NGHTTP2_PROTOCOL_ERROR}) << body;
    }
  }
}

TEST(H2Message, WhatAnnouncesALengthWithoutABodyTellsIt) {
  for (const auto& [method, status] :
       {std::pair{message::Method::head, "200"}, {message::Method::get, "304"}}) {
    Bench bench(false);
    auto stream = bench.ask(method);
    bench.peer.head(1, {{":status", status}, {"content-length", "5"}}, true);
    bench.settle();
    ASSERT_TRUE(stream.try_head());
    EXPECT_EQ(stream.content(), (Content{Content::Kind::none, 0, 5}));
    EXPECT_TRUE(stream.body_done());
  }
}

TEST(H2Message, TrailersMayNotSayWhatComesTooLate) {
  for (const auto name : {"host", "content-length", "authorization", "x-good"}) {
    Bench bench(true);
    bench.peer.head(-1, plain, false);
    bench.settle();
    auto stream = bench.accepted();
    ASSERT_TRUE(stream);
    bench.peer.head(1, {{name, "1"}}, true);
    bench.settle();
    const auto body = body_of(*stream);
    if (name == std::string_view("x-good")) {
      EXPECT_EQ(body, "");
      EXPECT_EQ(stream->trailers().find(name), "1");
    } else {
      ASSERT_FALSE(body) << name;
      EXPECT_EQ(body.error().refusal, Refusal::bad_trailer) << name;
    }
  }
}

TEST(H2Message, InterimHeadsComeOutOneByOne) {
  Reactor reactor;
  auto [a, b] = runtime::memory_pair(reactor);
  auto client = Connection::client(reactor, std::move(a));
  auto server = Connection::server(reactor, std::move(b));
  auto asking = std::move(*client.open());
  message::RequestHead head;
  head.headers = {{"host", "a"}};
  asking.put_head(head, {});
  auto answering = reactor.block_on(server.accept());
  ASSERT_TRUE(answering);
  EXPECT_FALSE(asking.try_head());
  for (const bool together : {true, false}) {
    for (const int status : {100, 103}) {
      message::ResponseHead interim;
      interim.status = status;
      interim.headers = {{"x-number", std::to_string(status)}};
      answering->put_head(interim, {});
      if (!together) ASSERT_TRUE(reactor.block_on(asking.read_head()));
    }
    for (const int status : {100, 103}) {
      if (together) ASSERT_TRUE(reactor.block_on(asking.read_head()));
      if (!together && status == 100) continue;
      EXPECT_EQ(asking.head().status, status);
      EXPECT_EQ(asking.head().headers.find("x-number"), std::to_string(status));
    }
  }
  EXPECT_FALSE(asking.try_head());
  answering->put_head(message::ResponseHead{}, {});
  ASSERT_TRUE(reactor.block_on(asking.read_head()));
  EXPECT_EQ(asking.head().status, 200);
  EXPECT_EQ(asking.head().headers.size(), 0U);
  EXPECT_TRUE(asking.body_done());
}

TEST(H2Message, InterimHeadsThatNobodyReadsEnd) {
  Bench bench(false);
  auto stream = bench.ask();
  for (int i = 0; i <= message::max_interim_responses; ++i) {
    EXPECT_TRUE(bench.peer.resets.empty()) << i;
    bench.peer.head(1, {{":status", "103"}}, false);
    bench.settle();
  }
  EXPECT_TRUE(bench.peer.resets.contains(1));
  std::optional<ReadResult<void>> head;
  while ((head = stream.try_head()) && *head) EXPECT_EQ(stream.head().status, 103);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->error().refusal, Refusal::too_many_interims);
}

TEST(H2Message, AHeadSaysWhatItsContentAndPatchSay) {
  Bench bench(true);
  Reactor& reactor = bench.reactor;
  auto [a, b] = runtime::memory_pair(reactor);
  auto client = Connection::client(reactor, std::move(a));
  auto server = Connection::server(reactor, std::move(b));
  message::RequestHead head;
  head.headers = {{"host", "a"}, {"content-length", "7"}, {"x-old", "1"}, {"x-kept", "2"}};
  message::Patch patch;
  patch.leave_out("x-old");
  patch.leave_out(message::FieldId::host);
  patch.added.add("host", "b");
  patch.added.add("x-new", "3");
  auto asking = std::move(*client.open());
  asking.put_head(head, Content::of_length(5), patch);
  auto answering = reactor.block_on(server.accept());
  ASSERT_TRUE(answering);
  EXPECT_EQ(answering->head().headers,
            (message::Headers{{"host", "b"}, {"x-kept", "2"}, {"x-new", "3"}, {"content-length", "5"}}));
  EXPECT_EQ(answering->content(), Content::of_length(5));
}

TEST(H2Message, ARequestThatThePeerDoesNotCountIsUnprocessed) {
  Bench bench(false);
  auto first = bench.ask();
  auto second = bench.ask();
  bench.peer.go_away(1);
  bench.settle();
  EXPECT_FALSE(first.try_head());
  const auto head = second.try_head();
  ASSERT_TRUE(head && !*head);
  EXPECT_EQ(head->error().kind, Kind::unprocessed);
}

TEST(H2Message, TheConnectionsWindowComesBackWhateverBecomesOfAStream) {
  Bench bench(true);
  bench.settle();
  const auto window = bench.peer.window();
  const std::string body(10'000, 'x');
  auto post = plain;
  post.front().second = "POST";
  enum class End : std::uint8_t { reset_unseen, reset_seen, let_go_unread, read, refused };
  for (int i = 0; i < 1500; ++i) {
    const auto end = static_cast<End>(i % 5);
    const auto id =
        bench.peer.head(-1, end == End::refused ? with(post, {{"content-length", "x"}}) : post, false);
    bench.peer.turn();  // a body follows an open stream
    bench.peer.body(id, body);
    if (end == End::reset_unseen) {
      // All of it is read at once.
      bench.peer.turn();
      bench.peer.reset(id);
    }
    bench.settle();
    auto stream = bench.accepted();
    EXPECT_EQ(stream.has_value(), end == End::reset_seen || end == End::let_go_unread || end == End::read);
    if (end == End::reset_seen) bench.peer.reset(id);
    bench.settle();
    while (stream && end == End::read && !stream->body_done()) {
      const auto piece = stream->try_body();
      ASSERT_TRUE(piece) << i;
      ASSERT_TRUE(*piece) << i << piece->error().to_string();
    }
    stream.reset();
    bench.settle();
  }
  // It is given back in halves.
  EXPECT_GT(bench.peer.window(), window / 2 - static_cast<std::int32_t>(body.size()));
}

/// What every byte of a frame depends on: heads larger than a frame, one of two sessions at a time.
TEST(H2Message, LargeHeadsOfSeveralSessionsStayApart) {
  Reactor reactor;
  std::vector<Connection> clients;
  std::vector<Connection> servers;
  constexpr std::size_t pairs = 3;
  for (std::size_t i = 0; i < pairs; ++i) {
    // Little room: what one session gives is taken while others are asked for theirs.
    auto [a, b] = runtime::memory_pair(reactor, 1000);
    clients.push_back(Connection::client(reactor, std::move(a)));
    servers.push_back(Connection::server(reactor, std::move(b)));
  }
  std::vector<ClientStream> asking;
  for (std::size_t i = 0; i < 4 * pairs; ++i) {
    message::RequestHead head;
    head.headers = {{"host", "a"}, {"x-large", std::string(40'000, static_cast<char>('a' + i))}};
    asking.push_back(std::move(*clients[i % pairs].open()));
    asking.back().put_head(head, {});
  }
  for (std::size_t i = 0; i < 4 * pairs; ++i) {
    const auto answering = reactor.block_on(servers[i % pairs].accept());
    ASSERT_TRUE(answering);
    EXPECT_EQ(answering->head().headers.find("x-large"), std::string(40'000, static_cast<char>('a' + i)));
  }
}

}  // namespace
}  // namespace weft::http::h2
