// HTTP/2 sessions against each other over memory: exchange, flow control, cancellation, ends of every kind.
#include "http/h2/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <limits>

#include "http/h2/peer_for_test.h"
#include "runtime/combine.h"
#include "runtime/scope.h"
#include "runtime/socket.h"

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

Task<void> until_ended(Connection* connection) {
  while (!connection->has_ended()) co_await runtime::Wait(connection->changed());
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

Task<ReadResult<std::string>> read_all(RequestStream* stream) {
  std::string body;
  while (true) {
    const auto piece = co_await stream->read_body();
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) co_return body;
    body += *piece;
  }
}

// Answers each request with its path and body.
Task<void> echo(ServerStream stream) {
  auto body = co_await read_all(&stream);
  if (!body) co_return;
  message::ResponseHead head;
  head.headers = {{"x-path", stream.head().target}, {"x-host", stream.head().authority()}};
  stream.put_head(head, message::Content::unknown());
  const message::Headers trailers{{"x-size", std::to_string(body->size())}};
  (void)co_await stream.write(*body, true, &trailers);
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

Task<ReadResult<Answer>> ask(Connection* connection, std::string path, std::string body) {
  auto stream = connection->open();
  if (!stream) co_return std::unexpected(stream.error());
  stream->put_head(get(path), message::Content::unknown());
  // Why it failed is read.
  (void)co_await stream->write(body, true);
  if (auto head = co_await stream->read_head(); !head) co_return std::unexpected(head.error());
  auto answer = co_await read_all(&*stream);
  if (!answer) co_return std::unexpected(answer.error());
  const auto& head = stream->head();
  co_return Answer{head.status, std::string(head.headers.find("x-path").value_or("")),
                   std::string(head.headers.find("x-host").value_or("")), *answer,
                   std::string(stream->trailers().find("x-size").value_or(""))};
}

/// A stream on which the request's head has been sent; all of it if `content` is empty.
ClientStream request(Connection& connection, const message::RequestHead& head,
                     const message::Content& content = {}) {
  auto stream = std::move(*connection.open());
  stream.put_head(head, content);
  return stream;
}

void settle(Reactor& reactor) {
  while (reactor.poll()) {
  }
}

// Between two turns of the loop: what a pool asks before it sends what may be sent but once.
TEST(H2Connection, PollTakesInWhatTheKernelHasNotToldOfYet) {
  Reactor reactor;
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  runtime::Fd peer(ends[1]);
  auto connection = Connection::client(
      reactor, std::make_unique<runtime::Socket>(reactor, runtime::Fd(ends[0]), base::Address()));
  while (reactor.poll()) {
  }
  connection.poll();
  EXPECT_TRUE(connection.is_open());
  peer.reset();
  connection.poll();
  EXPECT_FALSE(connection.is_open());
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
    ASSERT_TRUE(answer) << answer.error().to_string();
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

Task<void> write_for_ever(ServerStream stream, std::size_t* written) {
  stream.put_head(message::ResponseHead{}, message::Content::unknown());
  const std::string bytes(10'000, 'x');
  while (co_await stream.room()) {
    *written += bytes.size();
    if (!co_await stream.write(bytes)) break;
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
  std::vector<ClientStream> streams;
  for (int i = 0; i < 50; ++i) streams.push_back(request(ends.client, get("/")));
  settle(reactor);
  // What the windows of the streams take, and what may wait.
  EXPECT_LE(written, 50 * 65535U + 110'000U);
  const auto before = written;
  // Half the window: then the peer is told of it.
  for (std::size_t taken = 0; taken <= 65535 / 2;) {
    const auto piece = reactor.block_on(streams.front().read_body());
    ASSERT_TRUE(piece && !piece->empty());
    taken += piece->size();
  }
  settle(reactor);
  EXPECT_GT(written, before) << "room is given to those who wait";
}

TEST(H2, ManyStreamsAtOnceWaitForTheirTurnAboveThePeersLimit) {
  Reactor reactor;
  auto ends = connect(reactor, Limits{.max_streams = 100});
  runtime::Scope scope;
  scope.spawn(serve_echo(&ends.server, &scope));
  int answered = 0;
  std::vector<Task<void>> asks;
  // More than the frames that may wait, before the peer's limit is known.
  for (int i = 0; i < 2000; ++i) asks.push_back(ask_and_count(&ends.client, i, &answered));
  reactor.block_on(runtime::all(std::move(asks)));
  EXPECT_EQ(answered, 2000);
  EXPECT_EQ(ends.client.max_streams(), 100U);
}

Task<void> write_and_note(RequestStream* stream, std::string bytes, bool* done) {
  auto written = co_await stream->write(bytes, true);
  *done = written.has_value();
}

struct Pair {
  ClientStream client;
  ServerStream server;
};

/// A stream that both ends have, whose body is to come.
Pair open_and_accept(Reactor& reactor, Ends& ends) {
  auto client = request(ends.client, get("/slow"), message::Content::unknown());
  auto server = reactor.block_on(ends.server.accept());
  return {std::move(client), std::move(*server)};
}

TEST(H2, ASlowReaderStopsItsOwnStreamOnly) {
  Reactor reactor;
  auto ends = connect(reactor, Limits{.stream_window = 65535});
  auto [sender, receiver] = open_and_accept(reactor, ends);
  bool done = false;
  runtime::Scope scope;
  scope.spawn(write_and_note(&sender, std::string(200'000, 'x'), &done));
  settle(reactor);
  EXPECT_FALSE(done);
  EXPECT_EQ(sender.bytes_sent(), 65535U);

  scope.spawn(serve_echo(&ends.server, &scope));
  auto other = reactor.block_on(ask(&ends.client, "/quick", std::string(300'000, 'y')));
  ASSERT_TRUE(other) << other.error().to_string();
  EXPECT_EQ(other->body.size(), 300'000u);
  EXPECT_FALSE(done);
  EXPECT_EQ(sender.bytes_sent(), 65535U);

  auto body = reactor.block_on(read_all(&receiver));
  ASSERT_TRUE(body);
  EXPECT_EQ(body->size(), 200'000u);
  EXPECT_TRUE(done);
}

TEST(H2, AsMuchAsIsTakenMayFollow) {
  Reactor reactor;
  auto ends = connect(reactor, Limits{.stream_window = 65535});
  auto [sender, receiver] = open_and_accept(reactor, ends);
  bool done = false;
  runtime::Scope scope;
  scope.spawn(write_and_note(&sender, std::string(500'000, 'x'), &done));
  std::size_t taken = 0;
  while (!receiver.body_done()) {
    settle(reactor);
    EXPECT_LE(sender.bytes_sent(), taken + 65535);
    // Half a window is told at once, so that the sender has always as much.
    EXPECT_GE(sender.bytes_sent(), std::min<std::size_t>(taken + 65535 / 2, 500'000));
    EXPECT_TRUE(receiver.has_more());
    const auto piece = receiver.try_body();
    ASSERT_TRUE(piece && *piece);
    taken += (*piece)->size();
  }
  EXPECT_EQ(taken, 500'000U);
}

TEST(H2, APieceStaysWhereItIsWhileMoreArrives) {
  Reactor reactor;
  auto ends = connect(reactor);
  auto [sender, receiver] = open_and_accept(reactor, ends);
  ASSERT_TRUE(reactor.block_on([](ClientStream* stream) -> Task<runtime::IoResult<void>> {
    co_return co_await stream->write("first");
  }(&sender)));
  settle(reactor);
  const auto piece = receiver.try_body();
  ASSERT_TRUE(piece && *piece);
  bool done = false;
  runtime::Scope scope;
  scope.spawn(write_and_note(&sender, std::string(100'000, 'x'), &done));
  settle(reactor);
  EXPECT_EQ(**piece, "first");
  EXPECT_EQ(reactor.block_on(read_all(&receiver)), std::string(100'000, 'x'));
}

TEST(H2, DestroyingAStreamResetsIt) {
  Reactor reactor;
  auto ends = connect(reactor);
  {
    auto [client, server] = open_and_accept(reactor, ends);
    {
      const ClientStream gone = std::move(client);
    }
    auto body = reactor.block_on(read_all(&server));
    ASSERT_FALSE(body);
    EXPECT_EQ(body.error().kind, ReadError::Kind::reset);
    EXPECT_FALSE(server.is_open());
  }
  auto [client, server] = open_and_accept(reactor, ends);
  {
    const ServerStream gone = std::move(server);
  }
  auto head = reactor.block_on(client.read_head());
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().kind, ReadError::Kind::reset);
}

TEST(H2, AResetTellsItsOwnSideWhyAndThePeerWhetherToTryAgain) {
  struct Case {
    ResetCode code;
    ReadError::Kind told;
  };
  for (const auto& [code, told] : {Case{ResetCode::refused_stream, ReadError::Kind::unprocessed},
                                   Case{ResetCode::internal_error, ReadError::Kind::reset}}) {
    Reactor reactor;
    auto ends = connect(reactor);
    auto [client, server] = open_and_accept(reactor, ends);
    bool done = true;
    runtime::Scope scope;
    scope.spawn(write_and_note(&client, std::string(1'000'000, 'x'), &done));
    settle(reactor);
    server.reset(code, {ETIMEDOUT});
    auto head = reactor.block_on(client.read_head());
    ASSERT_FALSE(head);
    EXPECT_EQ(head.error().kind, told);
    EXPECT_FALSE(done);
    reactor.block_on(scope.join());
    EXPECT_FALSE(done);
    ReadResult<std::string_view> rest;
    while ((rest = reactor.block_on(server.read_body())) && !rest->empty()) {
    }
    EXPECT_EQ(rest.error(), (ReadError{ReadError::Kind::io, {}, {ETIMEDOUT}}));
  }
}

// Answers before it has read the request, and lets go.
void answer_early(ServerStream stream) {
  message::ResponseHead head;
  head.status = 413;
  stream.put_head(head, {});
}

TEST(H2, AnAnswerThatWasFinishedArrivesAlthoughItsStreamIsGone) {
  Reactor reactor;
  auto ends = connect(reactor);
  auto [client, server] = open_and_accept(reactor, ends);
  answer_early(std::move(server));
  auto head = reactor.block_on(client.read_head());
  ASSERT_TRUE(head) << head.error().to_string();
  EXPECT_EQ(client.head().status, 413);
  auto body = reactor.block_on(read_all(&client));
  EXPECT_EQ(body, "");
}

Task<void> wait_read(RequestStream* stream, ReadError* error) {
  auto body = co_await read_all(stream);
  if (!body) *error = body.error();
}

Task<void> wait_accept(Connection* connection, bool* ended) {
  while (co_await connection->accept()) {
  }
  *ended = true;
}

TEST(H2, TheEndOfAConnectionWakesAllWhoWait) {
  for (bool client_goes : {true, false}) {
    Reactor reactor;
    auto ends = std::make_unique<Ends>(connect(reactor));
    auto [client, server] = open_and_accept(reactor, *ends);
    bool ended = false;
    ReadError at_client;
    ReadError at_server;
    runtime::Scope scope;
    scope.spawn(wait_accept(&ends->server, &ended));
    scope.spawn(wait_read(&client, &at_client));
    scope.spawn(wait_read(&server, &at_server));
    {
      const Connection gone = std::move(client_goes ? ends->client : ends->server);
    }
    reactor.block_on(scope.join());
    EXPECT_TRUE(ended);
    // The side that goes knows it; the client has seen nothing of an answer, the server a request.
    const ReadError own{ReadError::Kind::io, {}, {ECANCELED}};
    EXPECT_EQ(at_client, client_goes ? own : (ReadError{ReadError::Kind::closed, {}, {}}));
    EXPECT_EQ(at_server, client_goes ? (ReadError{ReadError::Kind::truncated, {}, {}}) : own);
    EXPECT_FALSE((client_goes ? ends->server : ends->client).is_open());
  }
}

Task<void> try_write(RequestStream* stream, runtime::IoResult<void>* result) {
  *result = co_await stream->write("x");
}

TEST(H2, AStreamMayOutliveItsConnection) {
  Reactor reactor;
  std::optional<Ends> ends(connect(reactor));
  auto [client, server] = open_and_accept(reactor, *ends);
  auto unused = std::move(*ends->client.open());
  ends.reset();
  runtime::Scope scope;
  for (RequestStream* stream : std::initializer_list<RequestStream*>{&client, &server}) {
    runtime::IoResult<void> written;
    scope.spawn(try_write(stream, &written));
    EXPECT_FALSE(written);
    const auto piece = stream->try_body();
    ASSERT_TRUE(piece);
    EXPECT_FALSE(*piece);
    stream->reset(ResetCode::cancel);
  }
  unused.put_head(get("/"), {});
  EXPECT_EQ(reactor.block_on(unused.read_head()).error().kind, ReadError::Kind::unprocessed);
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
  auto [client, server] = open_and_accept(reactor, ends);
  ends.server.shut_down();
  settle(reactor);
  EXPECT_FALSE(ends.client.is_open());
  auto refused = ends.client.open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ReadError::Kind::unprocessed);

  bool done = false;
  runtime::Scope scope;
  scope.spawn(write_and_note(&client, {}, &done));
  scope.spawn(echo(std::move(server)));
  ASSERT_TRUE(reactor.block_on(client.read_head()));
  EXPECT_EQ(reactor.block_on(read_all(&client)), "");
  reactor.block_on(until_ended(&ends.client));
  reactor.block_on(until_ended(&ends.server));
}

TEST(H2, AClientThatDoesNotSayThatItHasTheNoticeOpensNoMoreStreamsForLong) {
  base::ManualClock clock;
  Reactor reactor(clock);
  auto [near, far] = runtime::memory_pair(reactor);
  auto server = Connection::server(reactor, std::move(near), {.ping_timeout = std::chrono::seconds(70)});
  Peer client(std::move(far), true);
  const auto id =
      client.head(-1, {{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}}, false);
  client.turn();
  settle(reactor);
  client.turn();
  settle(reactor);
  server.shut_down();
  settle(reactor);
  client.take();
  EXPECT_EQ(client.last_stream, std::numeric_limits<std::int32_t>::max());
  clock.advance(std::chrono::seconds(2));
  settle(reactor);
  client.take();
  EXPECT_EQ(client.last_stream, id);
}

TEST(H2, APeerThatAnswersNoPingIsGone) {
  base::ManualClock clock;
  Reactor reactor(clock);
  auto [a, silent] = runtime::memory_pair(reactor);
  auto client = Connection::client(reactor, std::move(a));
  settle(reactor);
  clock.advance(Limits{}.ping_interval + Limits{}.ping_timeout);
  settle(reactor);
  EXPECT_TRUE(client.is_open()) << "nothing depends on it";
  const auto stream = request(client, get("/"));
  settle(reactor);
  clock.advance(Limits{}.ping_interval);
  settle(reactor);
  EXPECT_TRUE(client.is_open());
  clock.advance(Limits{}.ping_timeout);
  settle(reactor);
  EXPECT_FALSE(client.is_open());
  EXPECT_EQ(client.error(), (ReadError{ReadError::Kind::io, {}, {ETIMEDOUT}}));
}

TEST(H2, PingsKeepAConnectionThatIsAlive) {
  base::ManualClock clock;
  Reactor reactor(clock);
  auto ends = connect(reactor);
  const auto stream = request(ends.client, get("/"));
  for (int i = 0; i < 20; ++i) {
    settle(reactor);
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
    settle(reactor);
    peer.reset();  // it is told why, and given time to read that
    reactor.block_on(until_ended(&server));
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
  auto stream = request(ends.client, head);
  EXPECT_FALSE(reactor.block_on(stream.read_head()));
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
  auto client = request(ends.client, head);
  auto server = reactor.block_on(ends.server.accept());
  ASSERT_TRUE(server);
  const auto& headers = server->head().headers;
  EXPECT_FALSE(headers.has("connection"));
  EXPECT_FALSE(headers.has("transfer-encoding"));
  EXPECT_EQ(headers.find("te"), "trailers");
  EXPECT_EQ(headers.find("x-kept"), "yes");
  EXPECT_EQ(server->head().version, message::Version::http_2);
}

}  // namespace
}  // namespace weft::http::h2
