// gRPC calls of our client against our server, and the small forms that statuses and limits have on the wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/grpc/client.h"
#include "http/grpc/server.h"
#include "runtime/combine.h"
#include "runtime/scope.h"

namespace weft::http::grpc {
namespace {

using runtime::Reactor;
using runtime::Task;
using std::chrono::milliseconds;

TEST(GrpcStatus, MessagesArePercentEncoded) {
  struct Case {
    std::string text;
    std::string encoded;
  };
  for (const auto& [text, encoded] : {Case{"plain", "plain"}, Case{"100%", "100%25"}, Case{"a\nb", "a%0Ab"},
                                      Case{"h\xc3\xa9", "h%C3%A9"}, Case{"", ""}}) {
    EXPECT_EQ(percent_encode(text), encoded);
    EXPECT_EQ(percent_decode(encoded), text);
  }
  EXPECT_EQ(percent_decode("%zz%4"), "%zz%4");
}

TEST(GrpcStatus, TimeoutsKeepTheirLength) {
  struct Case {
    base::Duration timeout;
    std::string text;
  };
  for (const auto& [timeout, text] :
       {Case{milliseconds(5), "5000000n"}, Case{std::chrono::seconds(1), "1000000u"},
        Case{std::chrono::hours(1), "3600000m"}, Case{base::Duration(0), "0n"},
        Case{base::Duration::max(), "9223373S"}}) {
    if (timeout != base::Duration::max()) {
      EXPECT_EQ(format_timeout(timeout), text);
      EXPECT_EQ(parse_timeout(text), timeout);
    }
  }
  EXPECT_EQ(parse_timeout("99999999H"), base::Duration::max());
  for (auto bad : {"", "5", "S", "-1S", "5x", "123456789S", "1 S"}) EXPECT_FALSE(parse_timeout(bad)) << bad;
}

TEST(GrpcStatus, IsReadFromTrailers) {
  message::Headers trailers;
  write_status(trailers, {Code::not_found, "no\nsuch"});
  EXPECT_EQ(read_status(trailers), (Status{Code::not_found, "no\nsuch"}));
  EXPECT_EQ(read_status({{"grpc-status", "99"}})->code, Code::unknown);
  EXPECT_FALSE(read_status({{"grpc-status", "x"}}));
  EXPECT_FALSE(read_status({}));
}

TEST(GrpcFraming, TakesMessagesOutOfAnyPieces) {
  auto bytes = frame("one") + frame("") + frame(std::string(1000, 'x'));
  for (std::size_t piece : {1u, 2u, 5u, 7u, 2000u}) {
    Unframer unframer(1000);
    std::vector<std::string> messages;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      unframer.buffer().append(bytes, at, piece);
      while (unframer.has_next()) messages.push_back(**unframer.next());
    }
    EXPECT_THAT(messages, testing::ElementsAre("one", "", std::string(1000, 'x')));
    EXPECT_TRUE(unframer.is_empty());
  }
}

TEST(GrpcFraming, RefusesWhatIsTooLargeOrCompressed) {
  Unframer small(10);
  small.buffer() = frame(std::string(11, 'x'));
  EXPECT_EQ(small.next().error().code, Code::resource_exhausted);
  Unframer compressed(10);
  compressed.buffer() = std::string("\x01\x00\x00\x00\x00", 5);
  EXPECT_EQ(compressed.next().error().code, Code::unimplemented);
}

Task<Result<std::string>> reverse(std::string request) {
  if (request == "fail") co_return fail(Code::failed_precondition, "50% sure");
  co_return std::string(request.rbegin(), request.rend());
}

Task<Status> echo(ServerCall& call) {
  for (;;) {
    auto message = co_await call.receive();
    if (!message) co_return message.error();
    if (!*message) co_return Status{Code::ok, {}};
    if (**message == "stop") co_return Status{Code::aborted, "stopped"};
    if (auto sent = co_await call.send("echo " + **message); !sent) co_return sent.error();
  }
}

struct Cancelled {
  bool* flag;
  ~Cancelled() { *flag = true; }
};

Task<Status> hang(bool* cancelled) {
  Cancelled watch{cancelled};
  runtime::Event never;
  co_await never.wait();
  co_return Status{};
}

struct Fixture : testing::Test {
  Fixture() : server(reactor, {.max_message = 1'000'000, .limits = {}}) {
    server.add("/test.Service/Reverse", unary(reverse));
    server.add("/test.Service/Echo", echo);
    server.add("/test.Service/Hang", [this](ServerCall&) { return hang(&cancelled); });
    auto [a, b] = runtime::memory_pair(reactor);
    client.emplace(h2::Connection::client(reactor, std::move(a)));
    scope.spawn(server.serve(std::move(b)));
  }
  Result<std::string> ask(std::string method, std::string request, CallOptions options = {}) {
    return reactor.block_on(
        call(reactor, *client, "/test.Service/" + method, std::move(request), std::move(options)));
  }
  void settle() {
    while (reactor.poll()) {
    }
  }

  Reactor reactor;
  Server server;
  bool cancelled = false;
  std::optional<h2::Connection> client;
  runtime::Scope scope;
};

TEST_F(Fixture, UnaryCalls) {
  EXPECT_EQ(ask("Reverse", "abc"), "cba");
  EXPECT_EQ(ask("Reverse", ""), "");
  std::string large(900'000, 'x');
  EXPECT_EQ(ask("Reverse", large), large);
}

TEST_F(Fixture, ErrorsArriveAsTheirStatus) {
  EXPECT_EQ(ask("Reverse", "fail").error(), (Status{Code::failed_precondition, "50% sure"}));
  EXPECT_EQ(ask("Missing", "").error().code, Code::unimplemented);
  EXPECT_EQ(ask("Reverse", std::string(1'000'001, 'x')).error().code, Code::resource_exhausted);
  EXPECT_EQ(ask("Reverse", std::string(1000, 'x'), {.max_message = 999}).error().code,
            Code::resource_exhausted);
  EXPECT_EQ(ask("Echo", "stop").error(), (Status{Code::aborted, "stopped"}));
}

TEST_F(Fixture, ATimeLimitEndsTheCallOnBothSides) {
  EXPECT_EQ(ask("Hang", "x", {.timeout = milliseconds(5)}).error().code, Code::deadline_exceeded);
  while (!cancelled) reactor.turn();
}

Task<std::vector<std::string>> talk(Reactor& reactor, h2::Connection* connection, int count) {
  std::vector<std::string> answers;
  auto call = ClientCall::open(reactor, *connection, "/test.Service/Echo", {});
  for (int i = 0; i < count; ++i) {
    if (!co_await call->send(std::to_string(i))) co_return answers;
    auto answer = co_await call->receive();
    if (!answer || !*answer) co_return answers;
    answers.push_back(**answer);
  }
  co_await call->half_close();
  auto end = co_await call->receive();
  answers.push_back(end && !*end ? "ended well" : "broke");
  co_return answers;
}

TEST_F(Fixture, BidirectionalStream) {
  EXPECT_THAT(reactor.block_on(talk(reactor, &*client, 3)),
              testing::ElementsAre("echo 0", "echo 1", "echo 2", "ended well"));
}

TEST_F(Fixture, DestroyingTheCallCancelsItsHandler) {
  {
    auto call = ClientCall::open(reactor, *client, "/test.Service/Echo", {});
    ASSERT_TRUE(call);
    settle();
  }
  settle();
  EXPECT_EQ(ask("Reverse", "ab"), "ba") << "the connection goes on";
}

TEST_F(Fixture, TheEndOfTheConnectionCancelsItsHandlers) {
  auto call = ClientCall::open(reactor, *client, "/test.Service/Hang", {});
  ASSERT_TRUE(call);
  settle();
  EXPECT_FALSE(cancelled);
  client.reset();
  settle();
  EXPECT_TRUE(cancelled);
  auto ended = reactor.block_on(call->receive());
  EXPECT_EQ(ended.error().code, Code::unavailable);
}

TEST_F(Fixture, WhatIsNoGrpcIsRefused) {
  message::RequestHead head;
  head.headers = {{"host", "x"}};
  auto stream = client->open();
  stream->put_head(head, {});
  ASSERT_TRUE(reactor.block_on(stream->read_head()));
  EXPECT_EQ(stream->head().status, 415);
}

}  // namespace
}  // namespace weft::http::grpc
