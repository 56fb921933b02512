// The seam between a request and the protocols of its two sides: each test body runs for HTTP/1.1 on both,
// for a scripted client, and for a scripted client and endpoint.
#include "proxy/side.h"

#include <algorithm>
#include <deque>

#include "http/h1/reader.h"
#include "proxy/exchange_impl.h"
#include "proxy/flow_harness.h"
#include "proxy/h1_client.h"
#include "proxy/scripted_side.h"
#include "proxy/serve_impl.h"

namespace weft::proxy::testing {
namespace {

static_assert(ClientSide<H1Client> && UpstreamSide<H1Session> && PoolSession<H1Session>);
static_assert(TunnelSide<H1Client> && TunnelSide<H1Session> && !TunnelSide<ScriptedClient>);

struct Response {
  std::vector<int> interim;
  /// 0: none has come.
  int status = 0;
  message::Headers headers;
  ScriptedMessage message;
};

/// What a caller sends and gets back, for whatever protocol.
class Caller {
 public:
  virtual ~Caller() = default;
  virtual void ask(message::Method method, std::string target, message::Headers headers, bool has_body) = 0;
  virtual void give(std::string piece, bool last, message::Headers trailers) = 0;
  virtual void leave() = 0;
  /// All that has come so far.
  virtual const Response& got() = 0;
};

/// A request that has come to the endpoint, and its answer.
class Called {
 public:
  virtual ~Called() = default;
  /// Its head and what has come of its body.
  virtual const message::RequestHead& head() = 0;
  virtual const ScriptedMessage& got() = 0;
  virtual void begin(int status, bool has_body) = 0;
  virtual void give(std::string piece, bool last, message::Headers trailers) = 0;
  virtual void interim(int status) = 0;
  virtual void break_off() = 0;
  virtual bool is_given_up() = 0;
};

std::string lines(const message::Headers& headers) {
  std::string text;
  for (const auto field : headers) text.append(field.name).append(": ").append(field.value).append("\r\n");
  return text;
}

/// `piece` and perhaps the end of a chunked body.
std::string chunk(std::string_view piece, bool last, const message::Headers& trailers) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
  std::string text;
  if (!piece.empty()) text.append(size).append(piece).append("\r\n");
  if (last) text.append("0\r\n").append(lines(trailers)).append("\r\n");
  return text;
}

/// Reads what is there of a body.
template <class Reader>
void take_body(Reader& reader, ScriptedMessage& into) {
  while (!into.is_whole) {
    const auto piece = reader.try_body();
    if (!piece || !*piece) return;
    into.body += **piece;
    into.is_whole = reader.body_done();
    if (into.is_whole) into.trailers = reader.trailers();
  }
}

class H1Caller final : public Caller {
 public:
  H1Caller(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> stream)
      : wire_(reactor, std::move(stream)), reader_(wire_.stream()) {}
  void ask(message::Method method, std::string target, message::Headers headers, bool has_body) override {
    method_ = method;
    wire_.send(std::string(to_string(method)) + " " + target + " HTTP/1.1\r\n" + lines(headers) +
               (has_body ? "transfer-encoding: chunked\r\n\r\n" : "\r\n"));
  }
  void give(std::string piece, bool last, message::Headers trailers) override {
    wire_.send(chunk(piece, last, trailers));
  }
  void leave() override { wire_.reset(); }
  const Response& got() override {
    wire_.settle();
    while (response_.status == 0) {
      const auto read = reader_.try_head(method_);
      if (!read || !*read) return response_;
      if (reader_.head().is_interim()) {
        response_.interim.push_back(reader_.head().status);
      } else {
        response_.status = reader_.head().status;
        response_.headers = reader_.head().headers;
        response_.message.is_whole = reader_.body_done();
      }
    }
    take_body(reader_, response_.message);
    return response_;
  }

 private:
  Wire wire_;
  http::h1::ResponseReader reader_;
  message::Method method_ = message::Method::get;
  Response response_;
};

class H1Called final : public Called {
 public:
  explicit H1Called(Wire& wire) : wire_(wire), reader_(wire_.stream()) {}
  const message::RequestHead& head() override {
    EXPECT_TRUE(reader_.try_head().value_or(std::unexpected(http::ReadError())).has_value());
    message_.is_whole = reader_.body_done();
    return reader_.head();
  }
  const ScriptedMessage& got() override {
    wire_.settle();
    take_body(reader_, message_);
    return message_;
  }
  void begin(int status, bool has_body) override {
    wire_.send("HTTP/1.1 " + std::to_string(status) + " x\r\n" +
               (has_body ? "transfer-encoding: chunked\r\n\r\n" : "content-length: 0\r\n\r\n"));
  }
  void give(std::string piece, bool last, message::Headers trailers) override {
    wire_.send(chunk(piece, last, trailers));
  }
  void interim(int status) override { wire_.send("HTTP/1.1 " + std::to_string(status) + " x\r\n\r\n"); }
  void break_off() override { wire_.reset(); }
  bool is_given_up() override { return wire_.is_closed(); }

 private:
  Wire& wire_;
  http::h1::RequestReader reader_;
  ScriptedMessage message_;
};

class ScriptedCaller final : public Caller {
 public:
  using Serve = runtime::Task<bool> (*)(ScriptedClient&);
  ScriptedCaller(ClientConnection& connection, Serve serve) : connection_(connection), serve_(serve) {}
  void ask(message::Method method, std::string target, message::Headers headers, bool has_body) override {
    message::RequestHead head;
    head.method = method;
    head.target = std::move(target);
    head.headers = std::move(headers);
    head.version = message::Version::http_2;
    client_.emplace(connection_, std::move(head));
    client_->begin(has_body);
    scope_.spawn(run());
    settle();
  }
  void give(std::string piece, bool last, message::Headers trailers) override {
    client_->give(std::move(piece), last, std::move(trailers));
    settle();
  }
  void leave() override {
    client_->fail({http::ReadError::Kind::closed, {}, {}});
    settle();
  }
  const Response& got() override {
    settle();
    response_.interim = client_->interim;
    if (client_->response) {
      response_.status = client_->response->status;
      response_.headers = client_->response->headers;
    }
    response_.message = client_->got;
    response_.message.is_whole = response_.message.is_whole && is_whole_;
    return response_;
  }

 private:
  runtime::Task<void> run() { is_whole_ = co_await serve_(*client_); }
  void settle() {
    while (connection_.worker.reactor.poll()) {
    }
  }

  ClientConnection& connection_;
  Serve serve_;
  std::optional<ScriptedClient> client_;
  bool is_whole_ = false;
  Response response_;
  runtime::Scope scope_;
};

class ScriptedCalled final : public Called {
 public:
  explicit ScriptedCalled(runtime::Reactor& reactor, ScriptedSession::Lent stream)
      : reactor_(reactor), stream_(std::move(stream)) {}
  const message::RequestHead& head() override { return stream_->asked.value(); }
  const ScriptedMessage& got() override { return stream_->got; }
  void begin(int status, bool has_body) override {
    stream_->begin(has_body);
    send(status);
  }
  void give(std::string piece, bool last, message::Headers trailers) override {
    stream_->give(std::move(piece), last, std::move(trailers));
    settle();
  }
  void interim(int status) override { send(status); }
  void break_off() override {
    stream_->fail({http::ReadError::Kind::io, {}, {ECONNRESET}});
    settle();
  }
  bool is_given_up() override { return stream_->is_broken(); }

 private:
  void send(int status) {
    message::ResponseHead head;
    head.status = status;
    stream_->answer(std::move(head));
    settle();
  }
  void settle() {
    while (reactor_.poll()) {
    }
  }
  runtime::Reactor& reactor_;
  ScriptedSession::Lent stream_;
};

enum class Kind : std::uint8_t { h1, scripted };
struct Pair {
  Kind client;
  Kind upstream;
};

class Sides : public Flow, public ::testing::WithParamInterface<Pair> {
 protected:
  Sides() {
    ScriptedSession::reset(&reactor_);
    for (const int number : {1, 2}) backend(number).mode = Backend::Mode::by_hand;
    apply(simple({1, 2}));
  }
  ~Sides() override {
    callers_.clear();
    connection_.reset();
    ScriptedSession::reset(nullptr);
  }

  Caller& call() {
    if (GetParam().client == Kind::h1)
      return *callers_.emplace_back(std::make_unique<H1Caller>(reactor_, dial()));
    if (!connection_) {
      connection_.emplace(*worker_, find_listener("in"), client_address_, Peer{});
    }
    const auto serve = GetParam().upstream == Kind::h1 ? &serve_request<H1Session, ScriptedClient>
                                                       : &serve_request<ScriptedSession, ScriptedClient>;
    return *callers_.emplace_back(std::make_unique<ScriptedCaller>(*connection_, serve));
  }
  Caller& get(message::Headers headers = {{"host", "web"}}) {
    auto& caller = call();
    caller.ask(message::Method::get, "/x", std::move(headers), false);
    return caller;
  }
  /// The `index`th request that has come to endpoint `number`; of scripted endpoints to any.
  Called& called(int number, std::size_t index) {
    if (GetParam().upstream == Kind::scripted) {
      const auto at = ScriptedSession::streams.size() - 1;
      return *called_.emplace_back(
          std::make_unique<ScriptedCalled>(reactor_, ScriptedSession::streams.at(at)));
    }
    return *called_.emplace_back(std::make_unique<H1Called>(*backend(number).wires.at(index)));
  }

  base::Address client_address_ = base::Address::loopback(999);
  std::optional<ClientConnection> connection_;
  std::vector<std::unique_ptr<Caller>> callers_;
  std::vector<std::unique_ptr<Called>> called_;
};

TEST_P(Sides, HeadsGoThroughPatched) {
  auto& caller = get({{"host", "web"}, {"x-a", "1"}});
  auto& called = this->called(1, 0);
  const auto& head = called.head();
  EXPECT_EQ(head.target, "/x");
  EXPECT_EQ(head.authority(), "web");
  EXPECT_EQ(head.headers.find("x-a"), "1");
  EXPECT_TRUE(head.headers.has("x-request-id"));
  called.begin(204, false);
  EXPECT_EQ(caller.got().status, 204);
  EXPECT_TRUE(caller.got().message.is_whole);
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "204"}}), 1U);
}

TEST_P(Sides, BodiesStreamBothWaysWithTrailers) {
  auto& caller = call();
  caller.ask(message::Method::post, "/", {{"host", "web"}}, true);
  caller.give("one", false, {});
  auto& called = this->called(1, 0);
  called.head();
  EXPECT_EQ(called.got().body, "one");
  caller.give("two", true, {{"x-sum", "6"}});
  EXPECT_EQ(called.got().body, "onetwo");
  EXPECT_TRUE(called.got().is_whole);
  EXPECT_EQ(called.got().trailers.find("x-sum"), "6");
  called.begin(200, true);
  EXPECT_EQ(caller.got().status, 200);
  called.give("three", false, {});
  EXPECT_EQ(caller.got().message.body, "three");
  EXPECT_FALSE(caller.got().message.is_whole);
  called.give("four", true, {{"grpc-status", "0"}});
  EXPECT_EQ(caller.got().message.body, "threefour");
  EXPECT_TRUE(caller.got().message.is_whole);
  EXPECT_EQ(caller.got().message.trailers.find("grpc-status"), "0");
}

TEST_P(Sides, InterimHeadsGoThrough) {
  auto& caller = get();
  auto& called = this->called(1, 0);
  called.head();
  called.interim(103);
  EXPECT_THAT(caller.got().interim, ::testing::ElementsAre(103));
  called.begin(200, false);
  EXPECT_EQ(caller.got().status, 200);
}

TEST_P(Sides, ConnectionAtRestIsUsedAgain) {
  for (int i = 0; i < 3; ++i) {
    auto& caller = get();
    // Turn by turn: two of them, each used again.
    auto& called = this->called(1 + i % 2, 0);
    called.head();
    called.begin(200, false);
    EXPECT_EQ(caller.got().status, 200) << i;
  }
  EXPECT_EQ(total("weft_upstream_connections_total"), 2U);
}

TEST_P(Sides, WhatSurelyHadNoEffectIsTriedElsewhere) {
  backend(1).mode = Backend::Mode::refuse;
  auto& caller = call();
  caller.ask(message::Method::post, "/", {{"host", "web"}}, false);
  auto& called = this->called(2, 0);
  called.head();
  called.begin(200, false);
  EXPECT_EQ(caller.got().status, 200);
  EXPECT_EQ(total("weft_retries_total"), 1U);
}

TEST_P(Sides, RefusalsAreAnswered) {
  apply(simple({}));
  auto& caller = get();
  EXPECT_EQ(caller.got().status, 503);
  EXPECT_EQ(caller.got().message.body, "web.default: no healthy endpoint\n");
  EXPECT_TRUE(caller.got().message.is_whole);
  auto& other = call();
  other.ask(message::Method::trace, "/", {{"host", "web"}}, false);
  EXPECT_EQ(other.got().status, 405);
}

TEST_P(Sides, AnswersOfRoutesAreGiven) {
  for (const auto& [action, status, field, body] :
       std::vector<std::tuple<snapshot::Action, int, std::string, std::string>>{
           {snapshot::Redirect{.host = "other"}, 302, "http://other/x", ""},
           {snapshot::Reply{418, "tea"}, 418, "", "tea"},
           {snapshot::Reply{204, ""}, 204, "", ""}}) {
    auto snapshot = simple({1});
    snapshot.routes[0].virtual_hosts[0].routes[0].action = action;
    apply(std::move(snapshot));
    const auto& got = get().got();
    EXPECT_EQ(got.status, status);
    EXPECT_EQ(got.headers.find("location").value_or(""), field) << status;
    EXPECT_EQ(got.message.body, body) << status;
    EXPECT_TRUE(got.message.is_whole) << status;
  }
}

TEST_P(Sides, ServiceThatDoesNotAnswerIs504) {
  auto& caller = get();
  auto& called = this->called(1, 0);
  called.head();
  advance(16s);
  EXPECT_EQ(caller.got().status, 504);
  EXPECT_TRUE(called.is_given_up());
}

TEST_P(Sides, ClientThatLeavesEndsTheRequest) {
  auto& caller = get();
  auto& called = this->called(1, 0);
  called.head();
  caller.leave();
  EXPECT_TRUE(called.is_given_up());
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "DC"}}), 1U);
  EXPECT_EQ(total("weft_requests_active"), 0U);
}

TEST_P(Sides, ResponseThatBreaksOffIsNotWhole) {
  auto& caller = get();
  auto& called = this->called(1, 0);
  called.head();
  called.begin(200, true);
  called.give("half", false, {});
  EXPECT_EQ(caller.got().message.body, "half");
  called.break_off();
  EXPECT_FALSE(caller.got().message.is_whole);
  EXPECT_EQ(caller.got().status, 200);
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UC"}}), 1U);
}

TEST_P(Sides, BodyThatIsCutReachesNoEndpointAsWhole) {
  auto& caller = call();
  caller.ask(message::Method::post, "/", {{"host", "web"}}, true);
  caller.give("half", false, {});
  auto& called = this->called(1, 0);
  called.head();
  caller.leave();
  EXPECT_FALSE(called.got().is_whole);
  EXPECT_TRUE(called.is_given_up());
}

class Shared : public Sides {};

TEST_P(Shared, SessionLendsSeveralStreams) {
  apply(simple({1}));
  auto& first = get();
  auto& second = get();
  EXPECT_EQ(ScriptedSession::sessions, 1U);
  get();
  EXPECT_EQ(ScriptedSession::sessions, 2U) << "both streams of the first were on loan";
  // One comes back, and is lent again.
  ScriptedCalled one(reactor_, ScriptedSession::streams.at(0));
  one.begin(200, false);
  EXPECT_EQ(first.got().status, 200);
  auto& fourth = get();
  EXPECT_EQ(ScriptedSession::sessions, 2U);
  // One that breaks off leaves the other streams of its session alone.
  ScriptedCalled two(reactor_, ScriptedSession::streams.at(1));
  two.begin(200, true);
  two.break_off();
  EXPECT_FALSE(second.got().message.is_whole);
  ScriptedCalled four(reactor_, ScriptedSession::streams.at(3));
  four.begin(200, false);
  EXPECT_EQ(fourth.got().status, 200);
  EXPECT_EQ(total("weft_upstream_connections_active"), 2U);
}

TEST_P(Shared, WhoWaitsIsHandedTheNextStream) {
  auto snapshot = simple({1});
  snapshot.clusters[0].max_connections = 1;
  apply(std::move(snapshot));
  auto& first = get();
  get();
  auto& third = get();
  EXPECT_EQ(ScriptedSession::streams.size(), 2U);
  ScriptedCalled one(reactor_, ScriptedSession::streams.at(0));
  one.begin(200, false);
  EXPECT_EQ(first.got().status, 200);
  ASSERT_EQ(ScriptedSession::streams.size(), 3U);
  ScriptedCalled three(reactor_, ScriptedSession::streams.at(2));
  three.begin(201, false);
  EXPECT_EQ(third.got().status, 201);
  EXPECT_EQ(ScriptedSession::sessions, 1U);
}

TEST_P(Shared, NewSessionServesAllWhoWaitAsFarAsItCan) {
  backend(1).connect_time = 100ms;
  auto snapshot = simple({1});
  snapshot.clusters[0].max_connections = 1;
  apply(std::move(snapshot));
  for (int i = 0; i < 3; ++i) get();
  EXPECT_EQ(ScriptedSession::streams.size(), 0U);
  advance(100ms);
  EXPECT_EQ(ScriptedSession::sessions, 1U);
  EXPECT_EQ(ScriptedSession::streams.size(), 2U);
  // Who comes now waits behind who came before.
  auto& last = get();
  ScriptedCalled one(reactor_, ScriptedSession::streams.at(0));
  one.begin(200, false);
  ASSERT_EQ(ScriptedSession::streams.size(), 3U);
  ScriptedCalled three(reactor_, ScriptedSession::streams.at(2));
  three.begin(200, false);
  ASSERT_EQ(ScriptedSession::streams.size(), 4U);
  ScriptedCalled four(reactor_, ScriptedSession::streams.at(3));
  four.begin(200, false);
  EXPECT_EQ(last.got().status, 200);
}

// HTTP/2 says so of a stream (RFC 9113, 8.7), and a session goes on.
TEST_P(Shared, WhatThePeerSurelyDidNothingWithIsSentAgain) {
  auto& caller = call();
  caller.ask(message::Method::post, "/", {{"host", "web"}}, false);
  ScriptedSession::streams.at(0)->fail({http::ReadError::Kind::unprocessed, {}, {}});
  settle();
  ASSERT_EQ(ScriptedSession::streams.size(), 2U);
  ScriptedCalled again(reactor_, ScriptedSession::streams.at(1));
  again.begin(200, false);
  EXPECT_EQ(caller.got().status, 200);

  auto& other = call();
  other.ask(message::Method::post, "/", {{"host", "web"}}, false);
  ScriptedSession::streams.at(2)->fail({http::ReadError::Kind::reset, {}, {}});
  EXPECT_EQ(other.got().status, 503);
}

INSTANTIATE_TEST_SUITE_P(Protocols, Shared, ::testing::Values(Pair{Kind::scripted, Kind::scripted}));
INSTANTIATE_TEST_SUITE_P(Protocols, Sides,
                         ::testing::Values(Pair{Kind::h1, Kind::h1}, Pair{Kind::scripted, Kind::h1},
                                           Pair{Kind::scripted, Kind::scripted}),
                         [](const auto& each) {
                           const auto name = [](Kind kind) { return kind == Kind::h1 ? "h1" : "scripted"; };
                           return std::string(name(each.param.client)) + "_" + name(each.param.upstream);
                         });

}  // namespace
}  // namespace weft::proxy::testing
