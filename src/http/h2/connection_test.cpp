// HTTP/2 sessions against each other over memory: exchange, flow control, cancellation, ends of every kind.
#include "http/h2/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/combine.h"
#include "runtime/scope.h"

namespace weft::http::h2 {
namespace {

using runtime::Reactor;
using runtime::Task;

message::RequestHead get(std::string path) {
  message::RequestHead head;
  head.target = std::move(path);
  head.headers = {{"Host", "test"}};
  return head;
}

struct Ends {
  Connection client;
  Connection server;
};

Ends connect(Reactor& reactor, Limits limits = {}, std::size_t capacity = 65536) {
  auto [a, b] = runtime::memory_pair(reactor, capacity);
  return {Connection::client(reactor, std::move(a), limits),
          Connection::server(reactor, std::move(b), limits)};
}

Task<H2Result<std::string>> read_all(Stream* stream) {
  std::string body;
  for (;;) {
    auto size = co_await stream->read(body);
    if (!size) co_return std::unexpected(size.error());
    if (*size == 0) co_return body;
  }
}

// Answers each request with its path and body.
Task<void> echo(Stream stream) {
  auto body = co_await read_all(&stream);
  if (!body) co_return;
  message::ResponseHead head;
  head.headers = {{"x-path", stream.request().target}, {"x-host", stream.request().authority()}};
  stream.respond(head);
  if (!co_await stream.write(*body)) co_return;
  stream.finish({{"x-size", std::to_string(body->size())}});
}

Task<void> serve_echo(Connection* connection, runtime::Scope* scope) {
  while (auto stream = co_await connection->accept()) scope->spawn(echo(std::move(*stream)));
}

struct Answer {
  int status = 0;
  std::string path;
  std::string host;
  std::string body;
  std::string size;
};

Task<H2Result<Answer>> ask(Connection* connection, std::string path, std::string body) {
  auto stream = connection->open(get(path));
  if (!stream) co_return std::unexpected(stream.error());
  if (auto written = co_await stream->write(body); !written) co_return std::unexpected(written.error());
  stream->finish();
  auto head = co_await stream->response();
  if (!head) co_return std::unexpected(head.error());
  auto answer = co_await read_all(&*stream);
  if (!answer) co_return std::unexpected(answer.error());
  co_return Answer{head->status, std::string(head->headers.find("x-path").value_or("")),
                   std::string(head->headers.find("x-host").value_or("")), *answer,
                   std::string(stream->trailers().find("x-size").value_or(""))};
}

TEST(H2, CarriesHeadsBodiesAndTrailers) {
  struct Case {
    std::size_t body;
    std::size_t capacity;
  };
  for (auto [size, capacity] :
       {Case{0, 65536}, Case{1, 65536}, Case{100'000, 65536}, Case{3'000'000, 65536}, Case{100'000, 7}}) {
    Reactor reactor;
    auto ends = connect(reactor, {}, capacity);
    runtime::Scope scope;
    scope.spawn(serve_echo(&ends.server, &scope));
    std::string body(size, 'b');
    auto answer = reactor.block_on(ask(&ends.client, "/a?b=c", body));
    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->path, "/a?b=c");
    EXPECT_EQ(answer->host, "test");
    EXPECT_EQ(answer->body, body);
    EXPECT_EQ(answer->size, std::to_string(size));
  }
}

Task<void> ask_and_count(Connection* connection, int number, int* answered) {
  auto text = std::to_string(number);
  auto answer = co_await ask(connection, "/" + text, text);
  if (answer && answer->body == text && answer->path == "/" + text) ++*answered;
}

Task<void> write_for_ever(Stream stream, std::size_t* written) {
  stream.respond({});
  while (co_await stream.room()) {
    *written += 10'000;
    if (!co_await stream.write(std::string(10'000, 'x'))) break;
  }
}

Task<void> serve_for_ever(Connection* connection, runtime::Scope* scope, std::size_t* written) {
  while (auto stream = co_await connection->accept())
    scope->spawn(write_for_ever(std::move(*stream), written));
}

TEST(H2, ManyStreamsThatAreNotReadHaveLittleMadeForThem) {
  Reactor reactor;
  auto ends = connect(reactor, Limits{.stream_window = 65535, .connection_send_buffer = 100'000});
  runtime::Scope scope;
  std::size_t written = 0;
  scope.spawn(serve_for_ever(&ends.server, &scope, &written));
  std::vector<Stream> streams;
  for (int i = 0; i < 50; ++i) streams.push_back(std::move(*ends.client.open(get("/"), true)));
  while (reactor.poll()) {
  }
  // What the windows of the streams take, and what may wait.
  EXPECT_LE(written, 50 * 65535U + 110'000U);
  const auto before = written;
  std::string body;
  ASSERT_TRUE(reactor.block_on(streams.front().read(body)));
  while (reactor.poll()) {
  }
  EXPECT_GT(written, before) << "room is given to those who wait";
}

TEST(H2, ManyStreamsAtOnceWaitForTheirTurnAboveThePeersLimit) {
  Reactor reactor;
  auto ends = connect(reactor, Limits{.max_streams = 100});
  runtime::Scope scope;
  scope.spawn(serve_echo(&ends.server, &scope));
  int answered = 0;
  std::vector<Task<void>> asks;
  for (int i = 0; i < 500; ++i) asks.push_back(ask_and_count(&ends.client, i, &answered));
  reactor.block_on(runtime::all(std::move(asks)));
  EXPECT_EQ(answered, 500);
}

Task<void> write_and_note(Stream* stream, std::string bytes, bool* done) {
  auto written = co_await stream->write(std::move(bytes));
  *done = written.has_value();
}

Task<std::optional<Stream>> open_and_accept(Ends* ends, Stream* client) {
  auto opened = ends->client.open(get("/slow"));
  *client = std::move(*opened);
  co_return co_await ends->server.accept();
}

TEST(H2, ASlowReaderStopsItsOwnStreamOnly) {
  Reactor reactor;
  auto ends = connect(reactor, Limits{.stream_window = 65535, .send_buffer = 10'000});
  Stream sender(nullptr);
  auto receiver = reactor.block_on(open_and_accept(&ends, &sender));
  ASSERT_TRUE(receiver);
  bool done = false;
  runtime::Scope scope;
  scope.spawn(write_and_note(&sender, std::string(200'000, 'x'), &done));
  while (reactor.poll()) {
  }
  EXPECT_FALSE(done) << "the window is 65535, the buffer 10000";

  scope.spawn(serve_echo(&ends.server, &scope));
  auto other = reactor.block_on(ask(&ends.client, "/quick", std::string(300'000, 'y')));
  ASSERT_TRUE(other) << other.error().detail;
  EXPECT_EQ(other->body.size(), 300'000u);
  EXPECT_FALSE(done);

  sender.finish();
  auto body = reactor.block_on(read_all(&*receiver));
  ASSERT_TRUE(body);
  EXPECT_EQ(body->size(), 200'000u);
  EXPECT_TRUE(done);
}

Task<void> drop(Stream) { co_return; }

TEST(H2, DestroyingAStreamResetsIt) {
  Reactor reactor;
  auto ends = connect(reactor);
  Stream client(nullptr);
  auto server = reactor.block_on(open_and_accept(&ends, &client));
  ASSERT_TRUE(server);
  {
    Stream gone = std::move(client);
  }
  auto body = reactor.block_on(read_all(&*server));
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().kind, H2ErrorKind::reset);
  EXPECT_FALSE(server->is_open());

  auto second = reactor.block_on(open_and_accept(&ends, &client));
  reactor.block_on(drop(std::move(*second)));
  auto head = reactor.block_on(client.response());
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().kind, H2ErrorKind::reset);
}

// Answers before it has read the request, and lets go.
Task<void> answer_early(Stream stream) {
  message::ResponseHead head;
  head.status = 413;
  stream.respond(head);
  stream.finish();
  co_return;
}

TEST(H2, AnAnswerThatWasFinishedArrivesAlthoughItsStreamIsGone) {
  Reactor reactor;
  auto ends = connect(reactor);
  Stream client(nullptr);
  auto server = reactor.block_on(open_and_accept(&ends, &client));
  reactor.block_on(answer_early(std::move(*server)));
  auto head = reactor.block_on(client.response());
  ASSERT_TRUE(head) << head.error().detail;
  EXPECT_EQ(head->status, 413);
  auto body = reactor.block_on(read_all(&client));
  EXPECT_EQ(body, "");
}

Task<void> wait_closed(Connection* connection, int* ended) {
  co_await connection->closed();
  ++*ended;
}

Task<void> wait_read(Stream* stream, H2ErrorKind* kind) {
  auto body = co_await read_all(stream);
  if (!body) *kind = body.error().kind;
}

Task<void> wait_accept(Connection* connection, int* ended) {
  while (co_await connection->accept()) {
  }
  ++*ended;
}

TEST(H2, TheEndOfAConnectionWakesAllWhoWait) {
  for (bool client_goes : {true, false}) {
    Reactor reactor;
    auto ends = std::make_unique<Ends>(connect(reactor));
    Stream client(nullptr);
    auto server = reactor.block_on(open_and_accept(ends.get(), &client));
    int ended = 0;
    auto at_client = H2ErrorKind::protocol;
    auto at_server = H2ErrorKind::protocol;
    runtime::Scope scope;
    scope.spawn(wait_closed(&ends->client, &ended));
    scope.spawn(wait_closed(&ends->server, &ended));
    scope.spawn(wait_accept(&ends->server, &ended));
    scope.spawn(wait_read(&client, &at_client));
    scope.spawn(wait_read(&*server, &at_server));
    {
      Connection gone = std::move(client_goes ? ends->client : ends->server);
    }
    reactor.block_on(scope.join());
    EXPECT_EQ(ended, 3);
    EXPECT_EQ(at_client, H2ErrorKind::closed);
    EXPECT_EQ(at_server, H2ErrorKind::closed);
    auto& other = client_goes ? ends->server : ends->client;
    EXPECT_FALSE(other.is_open());
  }
}

// Destroys the connection from inside the wake-up that the connection itself made.
Task<void> destroy_when_answered(std::unique_ptr<Ends> ends) {
  auto answer = co_await ask(&ends->client, "/", "x");
  EXPECT_TRUE(answer);
  ends.reset();
}

TEST(H2, AConnectionMayBeDestroyedByWhomItWakes) {
  Reactor reactor;
  auto ends = std::make_unique<Ends>(connect(reactor));
  runtime::Scope scope;
  scope.spawn(serve_echo(&ends->server, &scope));
  reactor.block_on(destroy_when_answered(std::move(ends)));
  reactor.block_on(scope.join());
}

TEST(H2, ShutDownLetsOpenStreamsEndAndTakesNoMore) {
  Reactor reactor;
  auto ends = connect(reactor);
  Stream client(nullptr);
  auto server = reactor.block_on(open_and_accept(&ends, &client));
  ends.server.shut_down();
  while (reactor.poll()) {
  }
  EXPECT_FALSE(ends.client.is_open());
  auto refused = ends.client.open(get("/late"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, H2ErrorKind::refused);
  EXPECT_TRUE(had_no_effect(refused.error().kind));

  client.finish();
  runtime::Scope scope;
  scope.spawn(echo(std::move(*server)));
  auto head = reactor.block_on(client.response());
  ASSERT_TRUE(head);
  EXPECT_EQ(reactor.block_on(read_all(&client)), "");
  reactor.block_on(ends.client.closed());
  reactor.block_on(ends.server.closed());
}

TEST(H2, APeerThatAnswersNoPingIsGone) {
  base::ManualClock clock;
  Reactor reactor(clock);
  auto [a, silent] = runtime::memory_pair(reactor);
  auto client = Connection::client(reactor, std::move(a));
  auto settle = [&] {
    while (reactor.poll()) {
    }
  };
  settle();
  clock.advance(Limits{}.ping_interval);
  settle();
  EXPECT_TRUE(client.is_open());
  clock.advance(Limits{}.ping_timeout);
  settle();
  EXPECT_FALSE(client.is_open());
  EXPECT_EQ(client.error().kind, H2ErrorKind::timeout);
}

TEST(H2, PingsKeepAnIdleConnectionThatIsAlive) {
  base::ManualClock clock;
  Reactor reactor(clock);
  auto ends = connect(reactor);
  for (int i = 0; i < 20; ++i) {
    while (reactor.poll()) {
    }
    clock.advance(std::chrono::seconds(9));
  }
  EXPECT_TRUE(ends.client.is_open());
  EXPECT_TRUE(ends.server.is_open());
}

Task<void> send_raw(runtime::Stream* stream, std::string bytes) {
  co_await runtime::write_all(*stream, std::move(bytes));
}

TEST(H2, WhatIsNoHttp2EndsTheConnection) {
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(100, '\xff'),
        std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string(64, '\x07')}) {
    Reactor reactor;
    auto [peer, b] = runtime::memory_pair(reactor);
    auto server = Connection::server(reactor, std::move(b));
    reactor.block_on(send_raw(peer.get(), bytes));
    reactor.block_on(server.closed());
    EXPECT_FALSE(server.is_open());
  }
}

TEST(H2, AHeadThatIsTooLargeResetsItsStreamOnly) {
  Reactor reactor;
  auto ends = connect(reactor, Limits{.max_header_bytes = 4096});
  runtime::Scope scope;
  scope.spawn(serve_echo(&ends.server, &scope));
  auto head = get("/");
  head.headers.add("x-big", std::string(5000, 'x'));
  auto stream = ends.client.open(head, true);
  ASSERT_TRUE(stream);
  EXPECT_FALSE(reactor.block_on(stream->response()));
  auto answer = reactor.block_on(ask(&ends.client, "/", "still here"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "still here");
}

TEST(H2, FieldsOfOneConnectionStayThere) {
  Reactor reactor;
  auto ends = connect(reactor);
  auto head = get("/");
  head.headers = {{"Host", "h"},
                  {"Connection", "keep-alive"},
                  {"Transfer-Encoding", "chunked"},
                  {"TE", "trailers"},
                  {"X-Kept", "yes"}};
  auto client = ends.client.open(head, true);
  auto server = reactor.block_on(ends.server.accept());
  ASSERT_TRUE(server);
  const auto& headers = server->request().headers;
  EXPECT_FALSE(headers.has("connection"));
  EXPECT_FALSE(headers.has("transfer-encoding"));
  EXPECT_EQ(headers.find("te"), "trailers");
  EXPECT_EQ(headers.find("x-kept"), "yes");
  EXPECT_EQ(server->request().version, message::Version::http_2);
}

}  // namespace
}  // namespace weft::http::h2
