#include "proxy/handover.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "proxy/generations.h"
#include "runtime/combine.h"
#include "runtime/scope.h"

namespace weft::proxy {
namespace {

using base::Json;
using runtime::MessageSocket;
using runtime::Task;
using telemetry::Kind;
using telemetry::Samples;

/// Both ends of a connection.
struct Pair {
  explicit Pair(runtime::Reactor& reactor) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    one = std::make_unique<MessageSocket>(reactor, runtime::Fd(ends[0]));
    other = std::make_unique<MessageSocket>(reactor, runtime::Fd(ends[1]));
  }
  std::unique_ptr<MessageSocket> one;
  std::unique_ptr<MessageSocket> other;
};

Samples counts(std::uint64_t value) {
  Samples samples;
  samples.add("requests_total", "Requests.", Kind::counter, std::string(), value);
  return samples;
}

runtime::Fd count_file(std::uint64_t value) {
  auto file = make_counts_file();
  EXPECT_TRUE(file && write_counted(file->get(), counts(value)));
  return std::move(*file);
}

Generation generation(unsigned number) {
  Generation generation;
  generation.number = number;
  generation.pid = 100 + static_cast<pid_t>(number);
  generation.version = "1.2.3";
  generation.started = base::WallTime(std::chrono::seconds(1'700'000'000));
  return generation;
}

TEST(Handover, AGenerationComesBack) {
  auto sent = generation(7);
  sent.drains_since = sent.started + std::chrono::minutes(1);
  sent.cut_at = sent.started + std::chrono::minutes(61);
  sent.connections = 5;
  sent.streams = 2;
  const auto got = generation_from(Json::parse(to_json(sent).dump()));
  ASSERT_TRUE(got);
  EXPECT_EQ(to_json(*got), to_json(sent));
  EXPECT_FALSE(generation_from(to_json(generation(1)))->drains_since);
}

TEST(Handover, WhatIsNoGeneration) {
  for (const auto* text : {"{}", "7", "[]", R"({"number":"1"})", R"({"number":1,"pid":[]})"})
    EXPECT_FALSE(generation_from(Json::parse(text))) << text;
}

TEST(Handover, CountsGoByAFileInMemory) {
  const auto file = count_file(42);
  EXPECT_EQ(read_counted(file.get())->total("requests_total"), 42U);
  ASSERT_EQ(::ftruncate(file.get(), 10), 0);
  EXPECT_FALSE(read_counted(file.get())) << "it is cut";
  ASSERT_EQ(::ftruncate(file.get(), off_t{1} << 40), 0);
  EXPECT_FALSE(read_counted(file.get())) << "it is too large";
  const runtime::Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(read_counted(null.get())) << "it is no file";
}

/// A proxy that gives so many sockets to one that asks.
Task<void> give(runtime::Reactor& reactor, runtime::Fd listening, std::vector<HandedSocket> sockets) {
  runtime::Acceptor acceptor(reactor, std::move(listening));
  auto fd = co_await acceptor.accept_fd();
  MessageSocket link(reactor, std::move(*fd));
  EXPECT_EQ((co_await receive_json(link))->json, Json({{"op", "take"}}));
  EXPECT_TRUE(co_await send_sockets(link, generation(3), std::move(sockets)));
  EXPECT_EQ((co_await receive_json(link))->json, Json({{"op", "relieve"}}));
}

TEST(Handover, AsManySocketsAsThereAre) {
  char folder[] = "/tmp/weft-handover-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const auto path = std::string(folder) + "/control";
  runtime::Reactor reactor;
  for (const std::size_t count : {std::size_t{0}, MessageSocket::max_fds, 2 * MessageSocket::max_fds + 1}) {
    SCOPED_TRACE(count);
    auto listening = runtime::listen_messages(path);
    ASSERT_TRUE(listening);
    std::vector<HandedSocket> sockets;
    const auto address = [](std::size_t i) {
      return base::Address::ipv4({127, 0, 0, 1}, static_cast<std::uint16_t>(1000 + i));
    };
    for (std::size_t i = 0; i < count; ++i)
      sockets.push_back({SocketKind::listener, address(i), listening->get()});
    // Without the control socket, which is another one here.
    runtime::Scope scope;
    scope.spawn(give(reactor, std::move(*listening), sockets));
    auto found = reactor.block_on(Predecessor::find(reactor, path));
    ASSERT_TRUE(found && *found);
    auto& predecessor = **found;
    EXPECT_EQ(predecessor.generation().number, 3U);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_FALSE(predecessor.take(SocketKind::admin, address(i)));
      EXPECT_TRUE(predecessor.take(SocketKind::listener, address(i)));
      EXPECT_FALSE(predecessor.take(SocketKind::listener, address(i))) << "it is taken once";
    }
    // It ends then: there is nothing to take over.
    EXPECT_TRUE(reactor.block_on(predecessor.relieve()).older.empty());
  }
  std::filesystem::remove_all(folder);
}

TEST(Handover, WhoDoesNotSayHowItDrainsDrainsAllTheSame) {
  char folder[] = "/tmp/weft-handover-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const auto path = std::string(folder) + "/control";
  runtime::Reactor reactor;
  runtime::Scope scope;
  scope.spawn([](runtime::Reactor& at, runtime::Fd listening) -> Task<void> {
    runtime::Acceptor acceptor(at, std::move(listening));
    MessageSocket link(at, std::move(*co_await acceptor.accept_fd()));
    (void)co_await receive_json(link);
    EXPECT_TRUE(co_await send_sockets(link, generation(3), {}));
    (void)co_await receive_json(link);
    // As if it hung: this says nothing.
    (void)co_await send_json(link, Json::object());
  }(reactor, *runtime::listen_messages(path)));
  auto found = reactor.block_on(Predecessor::find(reactor, path));
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(found && *found);
  const auto relieved = reactor.block_on((*found)->relieve());
  ASSERT_EQ(relieved.older.size(), 1U);
  EXPECT_EQ(relieved.older.front().generation.number, 3U);
  EXPECT_TRUE(relieved.older.front().generation.drains_since);
  EXPECT_FALSE(relieved.older.front().generation.cut_at) << "only it knows";
  EXPECT_TRUE(relieved.older.front().link);
}

TEST(Handover, NobodyRuns) {
  runtime::Reactor reactor;
  const auto found = reactor.block_on(Predecessor::find(reactor, "/tmp/weft-handover-none/control"));
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, nullptr);
}

TEST(Handover, WhoIsSilentIsNotTakenForNobody) {
  char folder[] = "/tmp/weft-handover-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const auto path = std::string(folder) + "/control";
  runtime::Reactor reactor;
  const auto ask = [&] { return reactor.block_on(ask_status(reactor, path, std::chrono::milliseconds(20))); };
  ASSERT_FALSE(ask());
  EXPECT_FALSE(ask().error().listens) << "there is no file";
  {
    const auto listening = runtime::listen_messages(path);
    ASSERT_TRUE(listening);
    EXPECT_TRUE(ask().error().listens);
    EXPECT_EQ(ask().error().pid, ::getpid());
    std::vector<runtime::Fd> waiting;
    for (auto fd = runtime::connect_messages(path); fd; fd = runtime::connect_messages(path))
      waiting.push_back(std::move(*fd));
    EXPECT_TRUE(ask().error().listens) << waiting.size() << " wait";
  }
  EXPECT_FALSE(ask().error().listens) << "nobody is there any more";
  std::filesystem::remove_all(folder);
}

TEST(Handover, WhereNobodyCanBeAskedNothingIsSaidOfAProxy) {
  runtime::Reactor reactor;
  const auto found = reactor.block_on(Predecessor::find(reactor, "/tmp/" + std::string(200, 'x')));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().mend, "");
}

/// One answer of a predecessor to a successor that asks for its sockets.
NotGiven answered(Json json) {
  char folder[] = "/tmp/weft-handover-XXXXXX";
  EXPECT_NE(::mkdtemp(folder), nullptr);
  const auto path = std::string(folder) + "/control";
  runtime::Reactor reactor;
  runtime::Scope scope;
  scope.spawn([](runtime::Reactor& at, runtime::Fd listening, Json what) -> Task<void> {
    runtime::Acceptor acceptor(at, std::move(listening));
    MessageSocket link(at, std::move(*co_await acceptor.accept_fd()));
    (void)co_await receive_json(link);
    (void)co_await send_json(link, std::move(what));
  }(reactor, *runtime::listen_messages(path), std::move(json)));
  auto found = reactor.block_on(Predecessor::find(reactor, path));
  std::filesystem::remove_all(folder);
  EXPECT_FALSE(found);
  return found ? NotGiven{} : found.error();
}

TEST(Handover, TooFewDescriptorsOnEitherSide) {
  const auto there = answered({{"error", "it cannot pass its sockets on: Too many open files"}});
  EXPECT_EQ(there.why, "it cannot pass its sockets on: Too many open files");
  EXPECT_NE(there.mend.find("prlimit"), std::string::npos);
  const auto sockets = Json::parse(R"([["listener", "127.0.0.1:80"]])");
  const auto here = answered({{"generation", to_json(generation(1))}, {"sockets", sockets}, {"more", false}});
  EXPECT_NE(here.mend.find("ulimit"), std::string::npos) << here.why;
  EXPECT_NE(answered({{"sockets", "?"}}).why.find("not understood"), std::string::npos);
}

class GenerationsTest : public ::testing::Test {
 protected:
  /// Takes over so many older ones; their ends of the links.
  std::vector<std::unique_ptr<MessageSocket>> adopt(std::size_t count) {
    std::vector<std::unique_ptr<MessageSocket>> ends;
    Relieved relieved;
    relieved.ended = counts(1000);
    for (std::size_t i = 0; i < count; ++i) {
      Pair pair(reactor_);
      const auto number = static_cast<unsigned>(count - i);
      relieved.older.push_back({generation(number), std::move(pair.one), counts(number)});
      ends.push_back(std::move(pair.other));
    }
    generations_.adopt(std::move(relieved));
    return ends;
  }
  std::uint64_t counted() { return reactor_.block_on(generations_.counted()).total("requests_total"); }
  /// What the newest asks next.
  Json asked(MessageSocket& end) {
    auto message = reactor_.block_on(runtime::within(reactor_, std::chrono::seconds(10), receive_json(end)));
    return message && *message ? (*message)->json : Json();
  }
  static Task<void> answer(MessageSocket& end, std::uint64_t value) {
    (void)co_await receive_json(end);
    const auto file = count_file(value);
    (void)co_await send_json(end, to_json(generation(1)), {file.get()});
  }

  runtime::Reactor reactor_;
  Generations generations_{reactor_};
};

TEST_F(GenerationsTest, CountsGoOnWhileItLivesAndStayWhenItHasGone) {
  auto ends = adopt(1);
  runtime::Scope scope;
  scope.spawn(answer(*ends[0], 5));
  EXPECT_EQ(counted(), 1005U);
  scope.spawn(answer(*ends[0], 8));
  EXPECT_EQ(counted(), 1008U);
  ends.clear();
  EXPECT_EQ(counted(), 1008U);
  EXPECT_TRUE(reactor_.block_on(generations_.status()).empty());
}

TEST_F(GenerationsTest, OneThatDoesNotAnswerIsCountedAsItWas) {
  const auto ends = adopt(1);
  EXPECT_EQ(counted(), 1001U);
}

TEST_F(GenerationsTest, OneThatHasNoRoomForItsCountsIsCountedAsItWas) {
  const auto ends = adopt(1);
  runtime::Scope scope;
  scope.spawn([](MessageSocket& end) -> Task<void> {
    (void)co_await receive_json(end);
    auto now = generation(1);
    now.connections = 7;
    (void)co_await send_json(end, to_json(now));
  }(*ends[0]));
  const auto list = reactor_.block_on(generations_.status());
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list.front().connections, 7U);
  EXPECT_EQ(counted(), 1001U);
}

/// An answer to `relieve`, of one that has another one before it; with so many of its descriptors.
JsonMessage relieved_message(std::size_t descriptors, runtime::Fd link) {
  JsonMessage message;
  message.json = {{"generations", Json::array({to_json(generation(2)), to_json(generation(1))})}};
  message.fds.push_back(count_file(1000));
  message.fds.push_back(count_file(2));
  message.fds.push_back(std::move(link));
  message.fds.push_back(count_file(1));
  message.fds.resize(descriptors);
  return message;
}

TEST_F(GenerationsTest, WhatIsTakenOverWithTooFewDescriptors) {
  const std::array<std::uint64_t, 5> ended{0, 1000, 1000, 1000, 1000};
  const std::array<std::vector<std::uint64_t>, 5> counted{{{0}, {0}, {2}, {2, 0}, {2, 1}}};
  for (std::size_t descriptors = 0; descriptors < counted.size(); ++descriptors) {
    SCOPED_TRACE(descriptors);
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    const runtime::Fd other(ends[1]);
    auto message = relieved_message(descriptors, runtime::Fd(ends[0]));
    const auto relieved = relieved_from(reactor_, message);
    ASSERT_TRUE(relieved);
    EXPECT_EQ(relieved->ended.total("requests_total"), ended.at(descriptors));
    std::vector<std::uint64_t> each;
    for (const auto& older : relieved->older) each.push_back(older.counted.total("requests_total"));
    EXPECT_EQ(each, counted.at(descriptors));
  }
  JsonMessage none{to_json(generation(1)), {}};
  EXPECT_FALSE(relieved_from(reactor_, none));
}

TEST_F(GenerationsTest, AnAnswerThatComesLateHasOlderOnesAndWhatEndedOnesCounted) {
  const auto ends = adopt(1);
  Pair oldest(reactor_);
  runtime::Scope scope;
  scope.spawn([](MessageSocket& end, MessageSocket& link) -> Task<void> {
    (void)co_await receive_json(end);
    auto message = relieved_message(4, runtime::Fd(::dup(link.fd())));
    std::vector<int> fds;
    for (const auto& fd : message.fds) fds.push_back(fd.get());
    (void)co_await send_json(end, std::move(message.json), std::move(fds));
  }(*ends[0], *oldest.one));
  EXPECT_EQ(counted(), 1000U + 1000U + 2U + 1U);
  EXPECT_EQ(generations_.count(), 2U);
  for (auto* end : {ends[0].get(), oldest.other.get()}) scope.spawn(answer(*end, 5));
  EXPECT_EQ(counted(), 1000U + 1000U + 5U + 5U);
}

TEST_F(GenerationsTest, TheOldestOfTooManyIsCut) {
  const auto ends = adopt(max_generations);
  EXPECT_EQ(asked(*ends.back()), Json({{"op", "end"}, {"ms", 0}}));
  generations_.end_all(std::chrono::milliseconds(250));
  EXPECT_EQ(asked(*ends.front()), Json({{"op", "end"}, {"ms", 250}}));
}

TEST_F(GenerationsTest, WhoTakesOverHasAll) {
  const auto ends = adopt(2);
  const auto given = generations_.give_up();
  EXPECT_EQ(given.ended.total("requests_total"), 1000U);
  ASSERT_EQ(given.older.size(), 2U);
  EXPECT_EQ(given.older[0].generation.number, 2U);
  EXPECT_EQ(given.older[1].counted.total("requests_total"), 1U);
  EXPECT_EQ(reactor_.block_on(generations_.status()).size(), 0U);
}

}  // namespace
}  // namespace weft::proxy
