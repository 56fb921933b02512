// Server and Client together over Unix sockets in this process, and the server against peers that misbehave.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "http/client.h"
#include "http/server.h"
#include "runtime/combine.h"

namespace weft::http {
namespace {

using runtime::Reactor;
using runtime::Stream;
using runtime::Task;
using Seen = std::vector<std::string>;
using std::chrono::seconds;

/// What handlers did, and a gate that some of them wait at.
struct Log {
  int started = 0;
  int cancelled = 0;
  runtime::Event gate;
};

/// Counts the end of a handler that did not come to its own.
struct CancelCount {
  Log* log;
  bool finished = false;
  ~CancelCount() {
    if (!finished) ++log->cancelled;
  }
};

Task<void> echo(Exchange* exchange) {
  std::string text =
      fmt::format("{} {} {}", exchange->head().method_text(), exchange->path(), exchange->body().size());
  for (const auto& segment : exchange->segments()) text += fmt::format(" <{}>", segment);
  for (const auto& [key, value] : exchange->query()) text += fmt::format(" {}={}", key, value);
  co_await exchange->reply(200, {{"x-echo", exchange->header("x-ask").value_or("none")}}, std::move(text));
}

Task<void> lines(Exchange* exchange, int count) {
  co_await exchange->start(200, {{"content-type", "text/plain"}});
  for (int i = 0; i < count; ++i) co_await exchange->write(fmt::format("line {}\n", i));
  co_await exchange->write("rest");
}

/// Streams until it is cancelled.
Task<void> endless(Exchange* exchange, Log* log) {
  const CancelCount count{log};
  co_await exchange->start(200, {});
  co_await exchange->write("first\n");
  co_await log->gate.wait();
}

Task<void> flood(Exchange* exchange, Log* log) {
  const CancelCount count{log};
  co_await exchange->start(200, {});
  while (true) co_await exchange->write(std::string(65536, 'x'));
}

/// Replies when the gate opens.
Task<void> gated(Exchange* exchange, Log* log) {
  CancelCount count{log};
  co_await log->gate.wait();
  co_await exchange->reply(200, {}, "late");
  count.finished = true;
}

Task<void> handle(Exchange* exchange, Log* log) {
  ++log->started;
  const auto path = exchange->path();
  if (path == "/lines") {
    co_await lines(exchange, 3);
  } else if (path == "/many-lines") {
    co_await lines(exchange, 5'000);
  } else if (path == "/endless") {
    co_await endless(exchange, log);
  } else if (path == "/flood") {
    co_await flood(exchange, log);
  } else if (path == "/gated") {
    co_await gated(exchange, log);
  } else if (path == "/none") {
    co_return;
  } else if (path == "/empty") {
    co_await exchange->reply(204, {}, "ignored");
  } else {
    co_await echo(exchange);
  }
}

class HttpTest : public ::testing::Test {
 protected:
  HttpTest()
      : server_(reactor_, [this](Exchange& exchange) { return handle(&exchange, &log_); }, options()) {}

  static ServerOptions options() {
    ServerOptions options;
    options.max_body_bytes = 100'000;
    options.max_connections = 4;
    options.max_held_bytes = 250'000;
    return options;
  }

  /// Runs the loop until `condition` holds.
  template <class Condition>
  void until(Condition condition) {
    while (!condition()) reactor_.turn();
  }
  void settle() {
    while (reactor_.poll()) {
    }
  }

  /// A connection to the server in memory.
  std::unique_ptr<Stream> connect(std::size_t capacity = 65536) {
    auto [client, server] = runtime::memory_pair(reactor_, capacity);
    server_.serve(std::move(server));
    return std::move(client);
  }
  void put(Stream& stream, std::string_view bytes) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    ASSERT_EQ(stream.try_write({&part, 1}), bytes.size());
  }
  std::string get(Stream& stream) {
    std::string bytes(65536, '\0');
    bytes.resize(stream.try_read(bytes).value_or(0));
    return bytes;
  }
  /// What the server answers to `bytes`, that it has by then.
  std::string answer(std::string_view bytes) {
    const auto stream = connect();
    put(*stream, bytes);
    settle();
    return without_date(get(*stream));
  }
  /// What is left of heads without their dates, which each must have.
  static std::string without_date(std::string text) {
    for (auto head = text.find("HTTP/1.1 "); head != std::string::npos;
         head = text.find("HTTP/1.1 ", head + 1)) {
      const auto date = text.find("\r\ndate: ", head);
      EXPECT_LT(date, text.find("\r\n\r\n", head)) << text;
      text.erase(date, std::string_view("\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT").size());
    }
    return text;
  }

  Reactor reactor_;
  Log log_;
  Server server_;
};

std::string get_request(std::string_view path, std::string_view more = {}) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n", path, more);
}

TEST_F(HttpTest, AnswersPipelinedRequestsInOrder) {
  EXPECT_EQ(
      answer(
          get_request("/a/b%20c?d=e+f", "X-Ask: y\r\n") +
          "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcHEAD /h HTTP/1.1\r\nHost: x\r\n\r\n"),
      "HTTP/1.1 200 OK\r\nx-echo: y\r\ncontent-length: 30\r\n\r\nGET /a/b%20c 0 <a> <b c> d=e f"
      "HTTP/1.1 200 OK\r\nx-echo: none\r\ncontent-length: 13\r\n\r\nPOST /p 3 <p>"
      "HTTP/1.1 200 OK\r\nx-echo: none\r\ncontent-length: 13\r\n\r\n");
}

TEST_F(HttpTest, AnswersOldClients) {
  EXPECT_EQ(answer("GET /a HTTP/1.0\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nx-echo: none\r\nconnection: close\r\ncontent-length: 12\r\n\r\nGET /a 0 <a>");
  EXPECT_EQ(
      answer("GET /lines HTTP/1.0\r\n\r\n"),
      "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nline 0\nline 1\nline 2\nrest");
  EXPECT_EQ(answer("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").find("connection: keep-alive\r\n"),
            31u);
}

TEST_F(HttpTest, AnswersWithoutBody) {
  EXPECT_EQ(answer(get_request("/empty")), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(answer("HEAD /lines HTTP/1.1\r\nHost: x\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n");
  EXPECT_EQ(answer(get_request("/none")),
            "HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nno "
            "reply\n");
}

TEST_F(HttpTest, RefusesAndCloses) {
  struct Case {
    std::string_view bytes;
    std::string_view status;
  };
  for (const auto& [bytes, status] : {
           Case{"GET / HTTP/1.1\r\n\r\n", "400 Bad Request"},
           Case{"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505 HTTP Version Not Supported"},
           Case{"GET / HTTP/1.1\nHost: x\n\n", "400 Bad Request"},
           Case{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501 Not Implemented"},
           Case{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n", "413 Content Too Large"},
           Case{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "400 Bad Request"},
       }) {
    const auto reply = answer(std::string(bytes) + get_request("/never"));
    EXPECT_TRUE(reply.starts_with(fmt::format("HTTP/1.1 {}\r\n", status))) << bytes << reply;
    EXPECT_NE(reply.find("connection: close\r\n"), std::string::npos);
    EXPECT_EQ(reply.find("HTTP/1.1 ", 1), std::string::npos) << reply;
  }
  EXPECT_EQ(log_.started, 0);
  settle();
  EXPECT_EQ(server_.connections(), 0u);
}

TEST_F(HttpTest, RefusesAChunkedBodyThatGrowsTooLarge) {
  const auto stream = connect(1 << 20);
  put(*stream, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n" +
                   std::string(0x20000, 'a'));
  settle();
  EXPECT_TRUE(get(*stream).starts_with("HTTP/1.1 413 "));
}

TEST_F(HttpTest, SaysContinueOnlyToABodyThatItTakes) {
  const auto stream = connect();
  put(*stream, "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  settle();
  EXPECT_EQ(get(*stream), "HTTP/1.1 100 Continue\r\n\r\n");
  put(*stream, "abc");
  settle();
  EXPECT_TRUE(get(*stream).starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(answer("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 200000\r\n\r\n")
                  .starts_with("HTTP/1.1 413 "));
}

TEST_F(HttpTest, RequestsMayArriveByteByByte) {
  const auto stream = connect();
  for (const char c : get_request("/slow")) {
    put(*stream, {&c, 1});
    settle();
  }
  EXPECT_TRUE(get(*stream).ends_with("\r\n\r\nGET /slow 0 <slow>"));
}

TEST_F(HttpTest, WatchEndsWhenItsClientCloses) {
  auto stream = connect();
  put(*stream, get_request("/endless"));
  settle();
  EXPECT_TRUE(get(*stream).ends_with("6\r\nfirst\n\r\n"));
  EXPECT_EQ(log_.cancelled, 0);
  stream.reset();
  settle();
  EXPECT_EQ(log_.cancelled, 1);
  EXPECT_EQ(server_.connections(), 0u);
}

TEST_F(HttpTest, ReplyReachesAClientThatClosedItsSide) {
  const auto stream = connect();
  put(*stream, get_request("/gated"));
  stream->shutdown_write();
  settle();
  EXPECT_EQ(log_.cancelled, 0);
  log_.gate.set();
  settle();
  EXPECT_TRUE(get(*stream).ends_with("late"));
  EXPECT_EQ(server_.connections(), 0u);
}

TEST_F(HttpTest, HandlerEndsWhenItsReplyCannotBeSent) {
  auto stream = connect(1024);
  put(*stream, get_request("/flood"));
  settle();
  EXPECT_EQ(log_.cancelled, 0);
  stream.reset();
  settle();
  EXPECT_EQ(log_.cancelled, 1);
  EXPECT_EQ(server_.connections(), 0u);
}

/// A server behind a Unix socket.
class LimitTest : public HttpTest {
 protected:
  LimitTest()
      : path_(fmt::format("/tmp/weft-http-test-{}.sock", ::getpid())),
        acceptor_(reactor_, runtime::listen_on(base::Address::unix_path(path_)).value()) {
    scope_.spawn([](Server* server, runtime::Acceptor* from) -> Task<void> { co_await server->serve(*from); }(
                                                                 &server_, &acceptor_));
  }
  ~LimitTest() override { ::unlink(path_.c_str()); }

  std::unique_ptr<Stream> dial(std::string_view bytes) {
    auto stream =
        reactor_.block_on(runtime::connect(reactor_, base::Address::unix_path(path_), seconds(5))).value();
    put(*stream, bytes);
    settle();
    return stream;
  }
  bool is_closed(Stream& stream) {
    char byte = 0;
    const auto size = stream.try_read({&byte, 1});
    return size ? *size == 0 : !size.error().would_block();
  }

  std::string path_;
  runtime::Acceptor acceptor_;
  runtime::Scope scope_;
};

TEST_F(LimitTest, ANewConnectionTakesThePlaceOfTheOneThatRestsLongest) {
  std::vector<std::unique_ptr<Stream>> streams;
  for (const auto* bytes : {"", "GET / HT", "GET /gated HTTP/1.1\r\nHost: x\r\n\r\n", ""})
    streams.push_back(dial(bytes));
  streams.push_back(dial(get_request("/a")));
  EXPECT_EQ(get(*streams.back()).substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_TRUE(is_closed(*streams[0]));
  EXPECT_FALSE(is_closed(*streams[1]));
  streams.push_back(dial(get_request("/b")));
  EXPECT_TRUE(is_closed(*streams[1])) << "an unfinished head is no better";
  EXPECT_FALSE(is_closed(*streams[2])) << "whose request runs keeps its place";
  EXPECT_EQ(server_.stats().turned_away, 0U);
}

TEST_F(LimitTest, WhenAllAreBusyANewConnectionIsToldSo) {
  std::vector<std::unique_ptr<Stream>> busy;
  for (int i = 0; i < 4; ++i) busy.push_back(dial(get_request("/gated")));
  const auto answer = get(*dial(get_request("/")));
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 503") << answer;
  EXPECT_NE(answer.find("all 4 connections are in use"), std::string::npos);
  EXPECT_EQ(server_.stats().turned_away, 1U);
  EXPECT_EQ(log_.started, 4);
}

TEST_F(HttpTest, WhatSlowPeersHaveItKeepIsBounded) {
  // Of max_held_bytes = 250,000: two replies of 65,536 that nobody reads, then bodies that do not end.
  std::vector<std::unique_ptr<Stream>> streams;
  const auto add = [&](std::string_view head, std::size_t size) {
    streams.push_back(connect(200'000));
    put(*streams.back(), head);
    put(*streams.back(), std::string(size, 'x'));
    settle();
  };
  for (int i = 0; i < 2; ++i) {
    streams.push_back(connect(1024));
    put(*streams.back(), get_request("/flood"));
    settle();
  }
  EXPECT_EQ(server_.stats().held_bytes, 2U * 65536);
  for (int i = 0; i < 4; ++i) {
    add("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90001\r\n\r\n", 90'000);
    EXPECT_LE(server_.stats().held_bytes, 250'000U);
  }
  EXPECT_EQ(log_.cancelled, 2) << "those who do not read go first";
  EXPECT_EQ(server_.stats().displaced, 4U);
  EXPECT_EQ(server_.connections(), 2U);
  put(*streams.back(), "y");
  settle();
  EXPECT_NE(get(*streams.back()).find("POST / 90001"), std::string::npos) << "the newest is served";
  streams.clear();
  settle();
  EXPECT_EQ(server_.stats().held_bytes, 0U);
}

TEST_F(HttpTest, StopClosesIdleOnesAndWaitsForTheRest) {
  const auto idle = connect();
  const auto busy = connect();
  const auto watch = connect();
  put(*busy, get_request("/gated"));
  put(*watch, get_request("/endless"));
  settle();
  EXPECT_EQ(server_.connections(), 3u);
  auto stop = server_.stop(seconds(3600));
  stop.start();
  settle();
  EXPECT_EQ(server_.connections(), 2u);
  EXPECT_FALSE(stop.is_done());
  log_.gate.set();
  settle();
  EXPECT_NE(get(*busy).find("connection: close\r\n"), std::string::npos);
  busy->shutdown_write();
  watch->shutdown_write();
  settle();
  EXPECT_TRUE(stop.is_done());
}

TEST(Server, LimitsOfTime) {
  base::ManualClock clock;
  Reactor reactor(clock);
  Log log;
  ServerOptions options;
  options.idle_limit = seconds(10);
  options.request_limit = seconds(2);
  options.write_limit = seconds(3);
  Server server(reactor, [&log](Exchange& exchange) { return handle(&exchange, &log); }, options);
  struct Case {
    std::string_view name;
    std::string_view bytes;
    seconds limit;
  };
  for (const auto& test :
       {Case{"idle", "", seconds(10)}, Case{"slow_head", "GET / HT", seconds(2)},
        Case{"slow_body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe", seconds(2)},
        Case{"slow_reader", "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n", seconds(3)}}) {
    SCOPED_TRACE(test.name);
    auto [client, end] = runtime::memory_pair(reactor, 1024);
    server.serve(std::move(end));
    iovec part{const_cast<char*>(test.bytes.data()), test.bytes.size()};
    ASSERT_TRUE(client->try_write({&part, 1}));
    const auto settle = [&reactor] {
      while (reactor.poll()) {
      }
    };
    settle();
    clock.advance(test.limit - std::chrono::milliseconds(1));
    settle();
    EXPECT_EQ(server.connections(), 1u);
    clock.advance(std::chrono::milliseconds(2));
    settle();
    EXPECT_EQ(server.connections(), 0u);
  }
}

/// A server behind a socket of its own, with a client.
class ClientTest : public HttpTest {
 protected:
  ClientTest()
      : path_(fmt::format("/tmp/weft-client-test-{}.sock", ::getpid())),
        address_(base::Address::unix_path(path_)),
        acceptor_(reactor_, runtime::listen_on(address_).value()),
        client_(reactor_, address_) {
    serving_.spawn(serve(&server_, &acceptor_));
  }
  ~ClientTest() override {
    serving_.cancel();
    ::unlink(path_.c_str());
  }
  static Task<void> serve(Server* server, runtime::Acceptor* acceptor) { co_await server->serve(*acceptor); }

  ClientResult<Response> send(Request request, base::Duration limit = seconds(30)) {
    return reactor_.block_on(client_.send(std::move(request), limit));
  }

  std::string path_;
  base::Address address_;
  runtime::Acceptor acceptor_;
  Client client_;
  runtime::Scope serving_;
};

TEST_F(ClientTest, SendsAndKeepsItsConnection) {
  const auto first = send({message::Method::post, "/a?b=c", {{"x-ask", "me"}}, "body"});
  ASSERT_TRUE(first) << first.error().detail;
  EXPECT_EQ(first->status, 200);
  EXPECT_EQ(first->body, "POST /a 4 <a> b=c");
  EXPECT_EQ(first->headers.find("X-Echo"), "me");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(send({message::Method::get, "/x", {}, {}})->body, "GET /x 0 <x>");
  EXPECT_EQ(send({message::Method::head, "/x", {}, {}})->body, "");
  EXPECT_EQ(send({message::Method::get, "/empty", {}, {}})->status, 204);
  EXPECT_EQ(send({message::Method::get, "/many-lines", {}, {}})->body.size(), 48'894u);
  EXPECT_EQ(server_.connections(), 1u);
}

TEST_F(ClientTest, LargeBodyIsRefusedWithAnAnswer) {
  const auto response = send({message::Method::post, "/a", {}, std::string(5'000'000, 'x')});
  ASSERT_TRUE(response) << response.error().detail;
  EXPECT_EQ(response->status, 413);
}

TEST_F(ClientTest, RefusesTargetsThatWouldBreakTheRequest) {
  for (const auto* target : {"", "a", "/a b", "/a\r\nX: y", "/a#b", "/\xc3\xa9"}) {
    const auto response = send({message::Method::get, target, {}, {}});
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, ClientErrorKind::bad_request);
  }
}

TEST_F(ClientTest, TimeLimit) {
  const auto response = send({message::Method::get, "/gated", {}, {}}, std::chrono::milliseconds(20));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ClientErrorKind::timeout);
  until([&] { return server_.connections() == 0 || log_.started == 1; });
}

Task<void> read_lines(Client* client, std::string target, std::vector<std::string>* into) {
  auto stream = co_await client->open({message::Method::get, std::move(target), {}, {}});
  if (!stream) co_return;
  while (true) {
    auto line = co_await (*stream)->next_line();
    if (!line || !*line) co_return;
    into->push_back(std::move(**line));
  }
}

TEST_F(ClientTest, StreamsLines) {
  std::vector<std::string> got;
  reactor_.block_on(read_lines(&client_, "/lines", &got));
  EXPECT_EQ(got, (std::vector<std::string>{"line 0", "line 1", "line 2", "rest"}));
  got.clear();
  reactor_.block_on(read_lines(&client_, "/many-lines", &got));
  EXPECT_EQ(got.size(), 5'001u);
  EXPECT_EQ(got.back(), "rest");
}

TEST_F(ClientTest, DroppingAStreamEndsItsHandler) {
  {
    const auto stream = reactor_.block_on(client_.open({message::Method::get, "/endless", {}, {}})).value();
    EXPECT_EQ(reactor_.block_on(stream->next()), "first\n");
    EXPECT_EQ(log_.cancelled, 0);
  }
  until([&] { return log_.cancelled == 1; });
}

TEST_F(ClientTest, ConnectFails) {
  Client nobody(reactor_, base::Address::unix_path("/tmp/weft-nobody-listens.sock"));
  const auto response = reactor_.block_on(nobody.send({}));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ClientErrorKind::connect_failed);
  EXPECT_EQ(response.error().detail, "unix:/tmp/weft-nobody-listens.sock: no such file or directory");
}

/// Accepts connections and plays `replies` on them: each entry is one connection, each of its entries answers
/// one request; then it closes.
Task<void> play(runtime::Acceptor* acceptor, std::vector<std::vector<std::string>> replies, Seen* seen) {
  for (auto& connection : replies) {
    auto stream = co_await acceptor->accept();
    if (!stream) co_return;
    h1::RequestReader reader(**stream);
    for (auto& reply : connection) {
      if (!co_await reader.read_head()) break;
      seen->push_back(std::string(reader.head().method_text()));
      if (!co_await runtime::write_all(**stream, reply)) break;
    }
  }
}

struct PlayedCase {
  std::string_view name;
  std::vector<std::vector<std::string>> replies;
  message::Method second;
  std::string outcome;
  std::vector<std::string> seen;
};

TEST(Client, RetriesOnlyWhatIsSafe) {
  const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  using message::Method;
  const PlayedCase cases[] = {
      {"kept_connection_closed_get", {{ok, ""}, {ok}}, Method::get, "ok", {"GET", "GET", "GET"}},
      {"kept_connection_closed_put", {{ok, ""}, {ok}}, Method::put, "ok", {"GET", "PUT", "PUT"}},
      {"kept_connection_closed_post", {{ok, ""}, {ok}}, Method::post, "closed", {"GET", "POST"}},
      {"cut_head", {{ok, "HTTP/1.1 200"}, {ok}}, Method::get, "closed", {"GET", "GET"}},
      {"cut_body",
       {{ok, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"}, {ok}},
       Method::get,
       "closed",
       {"GET", "GET"}},
      {"new_connection_closed",
       {{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"}, {""}, {ok}},
       Method::get,
       "closed",
       {"GET", "GET"}},
      {"not_http", {{ok, "SMTP\r\n"}, {ok}}, Method::get, "protocol", {"GET", "GET"}},
      {"interim", {{ok, "HTTP/1.1 103 Hints\r\n\r\n" + ok}}, Method::post, "ok", {"GET", "POST"}},
      {"until_close", {{ok, "HTTP/1.1 200 OK\r\n\r\nthe end"}}, Method::get, "the end", {"GET", "GET"}},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.name);
    Reactor reactor;
    const auto address = base::Address::loopback(0);
    runtime::Acceptor acceptor(reactor, runtime::listen_on(address).value());
    Seen seen;
    runtime::Scope scope;
    scope.spawn(play(&acceptor, test.replies, &seen));
    Client client(reactor, acceptor.address());
    ASSERT_TRUE(reactor.block_on(client.send({})));
    const auto second = reactor.block_on(client.send({test.second, "/", {}, {}}));
    EXPECT_EQ(second ? second->body : std::string(to_string(second.error().kind)), test.outcome);
    EXPECT_EQ(seen, test.seen);
  }
}

TEST(Client, BodyLimit) {
  Reactor reactor;
  runtime::Acceptor acceptor(reactor, runtime::listen_on(base::Address::loopback(0)).value());
  Seen seen;
  runtime::Scope scope;
  scope.spawn(play(&acceptor, {{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"}}, &seen));
  ClientOptions options;
  options.max_body_bytes = 4;
  Client client(reactor, acceptor.address(), options);
  const auto response = reactor.block_on(client.send({}));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ClientErrorKind::too_large);
}

}  // namespace
}  // namespace weft::http
