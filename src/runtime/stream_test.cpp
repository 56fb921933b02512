// Streams over memory and sockets, messages with descriptors.
#include "runtime/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "runtime/combine.h"
#include "runtime/pipe.h"
#include "runtime/socket.h"

namespace weft::runtime {
namespace {

using namespace std::chrono_literals;

Task<IoResult<std::string>> read_all(Stream& stream) {
  std::string text;
  char buffer[1000];
  while (true) {
    const auto got = co_await read(stream, buffer);
    if (!got) co_return std::unexpected(got.error());
    if (*got == 0) co_return text;
    text.append(buffer, *got);
  }
}

Task<void> send_and_end(Stream& stream, std::string text) {
  const auto sent = co_await write_all(stream, std::move(text));
  EXPECT_TRUE(sent.has_value());
  stream.shutdown_write();
}

Task<void> expect_transfer(Stream& from, Stream& to, std::string text) {
  Scope scope;
  scope.spawn(send_and_end(from, text));
  const auto got = co_await read_all(to);
  EXPECT_TRUE(got.has_value());
  EXPECT_EQ(got.value_or(""), text);
  co_await scope.join();
}

const std::string large(1'000'000, 'x');

TEST(MemoryPair, CarriesMoreThanItHoldsBothWays) {
  Reactor reactor;
  auto [a, b] = memory_pair(reactor, 4096);
  reactor.block_on(expect_transfer(*a, *b, large));
  reactor.block_on(expect_transfer(*b, *a, large));
}

TEST(MemoryPair, EndOfOneIsEndOfRead) {
  Reactor reactor;
  auto [a, b] = memory_pair(reactor);
  a.reset();
  const auto got = reactor.block_on(read_all(*b));
  EXPECT_TRUE(got.has_value());
  const auto sent = reactor.block_on(write_all(*b, "x"));
  ASSERT_FALSE(sent.has_value());
  EXPECT_EQ(sent.error().code, EPIPE);
}

TEST(MemoryPair, FailEndsWhoWaits) {
  Reactor reactor;
  auto [a, b] = memory_pair(reactor);
  auto reading = read_all(*b);
  reading.start();
  b->fail({ECANCELED});
  while (!reading.is_done()) reactor.turn();
  EXPECT_EQ(reading.take().error().code, ECANCELED);
}

TEST(MemoryPair, EndIsKnownWithoutReading) {
  Reactor reactor;
  auto [a, b] = memory_pair(reactor);
  reactor.block_on([](Stream& to) -> Task<void> { co_await write_all(to, "unread"); }(*a));
  EXPECT_FALSE(b->has_ended());
  a.reset();
  EXPECT_TRUE(b->has_ended());
}

TEST(MemoryPair, PeekLeavesTheBytes) {
  Reactor reactor;
  auto [a, b] = memory_pair(reactor);
  std::array<char, 4> room{};
  EXPECT_TRUE(b->try_peek(room).error().would_block());
  reactor.block_on([](Stream& to) -> Task<void> { co_await write_all(to, "unread"); }(*a));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(b->try_peek(room), 4U);
    EXPECT_EQ(std::string_view(room.data(), 4), "unre");
  }
  a.reset();
  EXPECT_EQ(reactor.block_on(read_all(*b)), "unread");
  EXPECT_EQ(b->try_peek(room), 0U);
}

TEST(Pipe, GivesBackWhatItTookAndHoldsNothingWhenEmpty) {
  Pipe pipe(40'000);
  base::Random random(1);
  std::string put;
  std::string taken;
  while (put.size() < 10'000'000) {
    const std::string first(random.below(9000), static_cast<char>('a' + random.below(26)));
    std::string second(random.below(9000), static_cast<char>('a' + random.below(26)));
    iovec parts[] = {{const_cast<char*>(first.data()), first.size()}, {second.data(), second.size()}};
    put += (first + second).substr(0, pipe.put(parts));
    std::string into(random.below(20'000), '\0');
    into.resize(pipe.take(into));
    taken += into;
    ASSERT_EQ(pipe.memory() == 0, pipe.empty());
  }
  std::string rest(40'000, '\0');
  rest.resize(pipe.take(rest));
  EXPECT_EQ(taken + rest, put);
  EXPECT_EQ(pipe.memory(), 0U);
}

TEST(Pipe, HoldsBoundedMemoryAlsoIfItNeverRunsEmpty) {
  constexpr std::size_t capacity = 4096;
  Pipe pipe(capacity);
  std::string text(capacity, 'x');
  iovec part{text.data(), text.size()};
  EXPECT_EQ(pipe.put({&part, 1}), capacity);
  char next = 'a';
  for (int i = 0; i < 100'000; ++i) {
    char taken[7];
    ASSERT_EQ(pipe.take(taken), sizeof taken);
    std::string more(sizeof taken, next);
    next = next == 'z' ? 'a' : static_cast<char>(next + 1);
    iovec rest{more.data(), more.size()};
    ASSERT_EQ(pipe.put({&rest, 1}), sizeof taken);
    ASSERT_EQ(pipe.put({&rest, 1}), 0U);
  }
  EXPECT_FALSE(pipe.empty());
  EXPECT_LE(pipe.memory(), 4 * capacity);
}

Task<std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>>> connected_pair(Reactor& reactor,
                                                                                 Acceptor& acceptor) {
  auto client = co_await connect(reactor, acceptor.address(), 5s);
  auto server = co_await acceptor.accept();
  co_return std::pair(std::move(*client), std::move(*server));
}

class TemporaryFolder {
 public:
  TemporaryFolder() { EXPECT_NE(mkdtemp(path_), nullptr); }
  ~TemporaryFolder() {
    for (const auto* name : {"/s", "/m"}) ::unlink((std::string(path_) + name).c_str());
    ::rmdir(path_);
  }
  std::string file(const char* name) const { return std::string(path_) + "/" + name; }

 private:
  char path_[32] = "/tmp/weft-test-XXXXXX";
};

TEST(Socket, CarriesBytesOverEachFamily) {
  const TemporaryFolder folder;
  for (const auto& text : {std::string("127.0.0.1:0"), std::string("[::1]:0"), "unix:" + folder.file("s")}) {
    Reactor reactor;
    auto listening = listen_on(*base::Address::parse(text));
    if (!listening && listening.error().code == EADDRNOTAVAIL) continue;  // a machine without IPv6
    ASSERT_TRUE(listening.has_value()) << text << listening.error().message();
    Acceptor acceptor(reactor, std::move(*listening));
    auto [client, server] = reactor.block_on(connected_pair(reactor, acceptor));
    reactor.block_on(expect_transfer(*client, *server, large));
    reactor.block_on(expect_transfer(*server, *client, large));
  }
}

/// Two connected sockets; the second is the raw descriptor.
std::pair<std::unique_ptr<Socket>, Fd> socket_and_peer(Reactor& reactor) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  return {std::make_unique<Socket>(reactor, Fd(ends[0]), base::Address()), Fd(ends[1])};
}

/// How often `call` succeeds before it would block.
int times_in_a_row(const std::function<IoResult<std::size_t>()>& call) {
  for (int count = 0;; ++count) {
    if (const auto moved = call(); !moved) {
      EXPECT_TRUE(moved.error().would_block());
      return count;
    }
  }
}

TEST(Socket, LeavesOthersTheirTurnHoweverMuchThereIs) {
  constexpr int calls = Registration::share_bytes / Registration::call_bytes;
  Reactor reactor;
  auto [socket, peer] = socket_and_peer(reactor);
  const std::string text(200, 'x');
  ASSERT_EQ(::write(peer.get(), text.data(), text.size()), 200);
  reactor.poll();
  char byte = 'y';
  iovec one{&byte, 1};
  EXPECT_EQ(times_in_a_row([&] { return socket->try_read({&byte, 1}); }), calls);
  EXPECT_EQ(times_in_a_row([&] { return socket->try_read({&byte, 1}); }), 0);
  reactor.block_on([](Stream& stream) -> Task<void> { co_await Wait(stream.readable()); }(*socket));
  EXPECT_EQ(times_in_a_row([&] { return socket->try_write({&one, 1}); }), calls);
  reactor.block_on([](Stream& stream) -> Task<void> { co_await Wait(stream.writable()); }(*socket));
  ::shutdown(peer.get(), SHUT_WR);
  EXPECT_EQ(reactor.block_on(read_all(*socket)).value_or("").size(), 200U - calls);
}

TEST(Socket, EndIsKnownWithoutReading) {
  Reactor reactor;
  auto [socket, peer] = socket_and_peer(reactor);
  ASSERT_EQ(::write(peer.get(), "unread", 6), 6);
  reactor.poll();
  EXPECT_FALSE(socket->has_ended());
  peer.reset();
  reactor.poll();
  EXPECT_TRUE(socket->has_ended());
}

// Between two turns of the loop: what a pool asks before it sends what may be sent but once.
TEST(Socket, TheKernelIsAskedForWhatItHasNotToldOfYet) {
  Reactor reactor;
  auto [socket, peer] = socket_and_peer(reactor);
  char byte = 0;
  EXPECT_TRUE(socket->try_read({&byte, 1}).error().would_block());
  socket->catch_up();
  EXPECT_FALSE(socket->may_read()) << "nothing has come";
  peer = Fd();
  EXPECT_FALSE(socket->may_read()) << "nobody has told of it";
  socket->catch_up();
  EXPECT_TRUE(socket->may_read());
  EXPECT_EQ(socket->try_read({&byte, 1}), 0U);
}

TEST(Socket, PeekLeavesTheBytesAndTellsOfWhatComesAfterThem) {
  Reactor reactor;
  auto [socket, peer] = socket_and_peer(reactor);
  std::array<char, 16> room{};
  EXPECT_TRUE(socket->try_peek(room).error().would_block());
  for (const std::string_view all : {"u", "un", "unread"}) {
    const auto known = socket->try_peek(room).value_or(0);
    ASSERT_EQ(::write(peer.get(), all.data() + known, all.size() - known),
              static_cast<ssize_t>(all.size() - known));
    reactor.block_on([](Stream& stream) -> Task<void> { co_await Wait(stream.readable()); }(*socket));
    EXPECT_EQ(socket->try_peek(room), all.size());
    EXPECT_EQ(std::string_view(room.data(), all.size()), all);
  }
  peer.reset();
  reactor.block_on([](Stream& stream) -> Task<void> { co_await Wait(stream.readable()); }(*socket));
  EXPECT_EQ(socket->try_peek(room), 6U);
  EXPECT_TRUE(socket->has_ended());
  EXPECT_EQ(reactor.block_on(read_all(*socket)), "unread");
  EXPECT_EQ(socket->try_peek(room), 0U);
}

TEST(Socket, WhatAPeerHadTakenWhenItEnded) {
  const TemporaryFolder folder;
  for (const auto& text : {std::string("127.0.0.1:0"), "unix:" + folder.file("s")}) {
    Reactor reactor;
    Acceptor acceptor(reactor, std::move(*listen_on(*base::Address::parse(text))));
    const bool is_tcp = acceptor.address().family() == base::Address::Family::ipv4;
    const auto send = [&](Stream& to) { return reactor.block_on(write_all(to, "ten bytes.")).has_value(); };
    const auto read_to_end = [&](Stream& from) {
      return reactor.block_on(read_all(from)).value_or("broken");
    };
    char ten[10];

    auto [client, server] = reactor.block_on(connected_pair(reactor, acceptor));
    ASSERT_TRUE(send(*client));
    ASSERT_EQ(reactor.block_on([](Stream& of, std::span<char> into) -> Task<IoResult<std::size_t>> {
      co_return co_await read(of, into);
    }(*server, ten)),
              10U);
    server.reset();
    EXPECT_EQ(read_to_end(*client), "");
    EXPECT_EQ(client->taken_of(10), 10U) << text;
    if (!is_tcp) continue;

    auto [late, gone] = reactor.block_on(connected_pair(reactor, acceptor));
    ASSERT_TRUE(send(*late));
    ASSERT_TRUE(gone->try_read(ten));
    gone.reset();
    ASSERT_TRUE(send(*late)) << "the end has come, which a write does not tell";
    EXPECT_EQ(read_to_end(*late), "");
    reactor.block_on([](Reactor& on, Stream& of) -> Task<void> {
      for (int i = 0; i < 1000 && !of.taken_of(20); ++i) co_await on.sleep(1ms);
    }(reactor, *late));
    EXPECT_EQ(late->taken_of(20), 10U) << "what came after the end was not read";
  }
}

TEST(Socket, PeersThatAreGoneAreFoundOut) {
  Reactor reactor;
  Acceptor acceptor(reactor, std::move(*listen_on(base::Address::loopback(0))));
  auto [client, server] = reactor.block_on(connected_pair(reactor, acceptor));
  for (const int fd : {client->fd(), server->fd()}) {
    for (const auto& [level, option, wanted] : {std::tuple<int, int, int>(SOL_SOCKET, SO_KEEPALIVE, 1),
                                                std::tuple<int, int, int>(IPPROTO_TCP, TCP_KEEPIDLE, 60),
                                                std::tuple<int, int, int>(IPPROTO_TCP, TCP_KEEPINTVL, 15),
                                                std::tuple<int, int, int>(IPPROTO_TCP, TCP_KEEPCNT, 4),
                                                std::tuple<int, int, int>(IPPROTO_TCP, TCP_NODELAY, 1)}) {
      int value = 0;
      socklen_t size = sizeof value;
      ASSERT_EQ(::getsockopt(fd, level, option, &value, &size), 0);
      EXPECT_EQ(value, wanted) << option;
    }
  }
}

TEST(Acceptor, LeavesOthersTheirTurnHoweverManyCome) {
  Reactor reactor;
  Acceptor acceptor(reactor, std::move(*listen_on(base::Address::loopback(0))));
  std::vector<std::unique_ptr<Stream>> clients;
  for (int i = 0; i < 2 * accepts_per_turn; ++i) {
    clients.push_back(*reactor.block_on(connect(reactor, acceptor.address(), 5s)));
  }
  int accepted = 0;
  Scope scope;
  scope.spawn([](Acceptor& from, int& count) -> Task<void> {
    while (count < 2 * accepts_per_turn) {
      const auto stream = co_await from.accept();
      if (!stream) co_return;
      ++count;
    }
  }(acceptor, accepted));
  EXPECT_LE(accepted, accepts_per_turn);
  reactor.block_on(scope.join());
  EXPECT_EQ(accepted, 2 * accepts_per_turn);
}

TEST(Registration, WhatTheKernelDoesNotWatchIsPolled) {
  const TemporaryFolder folder;
  const Fd fd(::open(folder.file("s").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));  // epoll_ctl(2): EPERM
  ASSERT_TRUE(fd);
  Reactor reactor;
  EXPECT_TRUE(reactor.block_on(within(reactor, 10s, until_readable(reactor, fd.get()))));
}

TEST(Socket, DeadlineFailsWhoWaits) {
  base::ManualClock clock;
  Reactor reactor(clock);
  Acceptor acceptor(reactor, std::move(*listen_on(base::Address::loopback(0))));
  auto [client, server] = reactor.block_on(connected_pair(reactor, acceptor));
  Deadline deadline(reactor, *client);
  deadline.expires_after(10ms);
  auto reading = read_all(*client);
  reading.start();
  clock.advance(9ms);
  reactor.poll();
  deadline.expires_after(10ms);
  clock.advance(9ms);
  reactor.poll();
  EXPECT_FALSE(reading.is_done());
  clock.advance(2ms);
  reactor.poll();
  reactor.poll();
  ASSERT_TRUE(reading.is_done());
  EXPECT_EQ(reading.take().error().code, ETIMEDOUT);
}

TEST(Socket, WhoWaitsForRoomWaitsAsLongAsThePeerTakesAnything) {
  base::ManualClock clock;
  Reactor reactor(clock);
  Acceptor acceptor(reactor, std::move(*listen_on(base::Address::loopback(0))));
  auto [client, server] = reactor.block_on(connected_pair(reactor, acceptor));
  std::string bytes(1 << 20, 'x');
  iovec part{bytes.data(), bytes.size()};
  while (true) {
    const auto sent = server->try_write({&part, 1});
    if (!sent && server->unsent() > 0 && reactor.poll() == false) break;
  }
  Deadline deadline(reactor, *server);
  deadline.expires_without_progress(10s);
  for (int i = 0; i < 3; ++i) {
    const auto before = server->unsent();
    for (int reads = 0; server->unsent() == before && reads < 10'000; ++reads) {
      (void)::recv(client->fd(), bytes.data(), 65'536, MSG_DONTWAIT);
    }
    ASSERT_LT(server->unsent(), before);
    clock.advance(11s);
    reactor.poll();
    EXPECT_FALSE(server->has_ended()) << i;
  }
  clock.advance(11s);
  reactor.poll();
  EXPECT_TRUE(server->has_ended());
}

/// What a client reads whose server sends "ok" and goes in one of these ways.
IoResult<std::string> read_from_one_that_resets(Reactor& reactor, std::unique_ptr<Stream> client,
                                                std::unique_ptr<Stream> server, bool on, bool fails) {
  server->reset_at_close(true);
  server->reset_at_close(on);
  EXPECT_TRUE(reactor.block_on(write_all(*server, "ok")));
  std::string text(2, '\0');
  EXPECT_TRUE(reactor.block_on([](Stream& from, std::string& into) -> Task<IoResult<std::size_t>> {
    co_return co_await read(from, into);
  }(*client, text)));
  EXPECT_EQ(text, "ok");
  if (fails) server->fail({ETIMEDOUT});
  server.reset();
  return reactor.block_on(read_all(*client));
}

TEST(Stream, ResetAtCloseIsNoEnd) {
  for (const bool fails : {false, true}) {
    for (const bool on : {false, true}) {
      Reactor reactor;
      Acceptor acceptor(reactor, std::move(*listen_on(base::Address::loopback(0))));
      auto [client, server] = reactor.block_on(connected_pair(reactor, acceptor));
      auto [near, far] = memory_pair(reactor);
      for (const auto& got :
           {read_from_one_that_resets(reactor, std::move(client), std::move(server), on, fails),
            read_from_one_that_resets(reactor, std::move(near), std::move(far), on, fails)}) {
        EXPECT_EQ(got.has_value() ? 0 : got.error().code, on ? ECONNRESET : 0) << fails;
      }
    }
  }
}

TEST(Connect, RefusedAndTimedOut) {
  Reactor reactor;
  auto listening = listen_on(base::Address::loopback(0));
  const auto address = local_address(listening->get());
  listening->reset();
  const auto refused = reactor.block_on(connect(reactor, address, 5s));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ECONNREFUSED);
}

TEST(Listen, UnixSocketIsPrivateAndStaleOneIsReplaced) {
  const TemporaryFolder folder;
  const auto address = base::Address::unix_path(folder.file("s"));
  auto first = listen_on(address);
  ASSERT_TRUE(first.has_value());
  struct stat status{};
  ASSERT_EQ(::stat(address.path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(listen_on(address).error().code, EADDRINUSE);
  first->reset();
  EXPECT_TRUE(listen_on(address).has_value());
}

TEST(Listen, TooLongAPathIsAnError) {
  EXPECT_EQ(listen_on(base::Address::unix_path(std::string(200, 'p'))).error().code, ENAMETOOLONG);
}

Task<void> pass_descriptor(Reactor& reactor, std::string path, Fd listening) {
  auto fd = connect_messages(path);
  EXPECT_TRUE(fd.has_value());
  MessageSocket client(reactor, std::move(*fd));
  Acceptor acceptor(reactor, std::move(listening));
  auto accepted = co_await acceptor.accept_fd();
  MessageSocket server(reactor, std::move(*accepted));
  EXPECT_EQ(server.peer_credentials()->pid, ::getpid());

  int pipe_fds[2];
  EXPECT_EQ(::pipe(pipe_fds), 0);
  Fd reader(pipe_fds[0]);
  Fd writer(pipe_fds[1]);
  EXPECT_TRUE((co_await server.send("here", {writer.get()})).has_value());
  auto message = co_await client.receive();
  EXPECT_EQ((*message)->bytes, "here");
  EXPECT_EQ((*message)->fds.size(), 1U);
  EXPECT_EQ(::write((*message)->fds.front().get(), "x", 1), 1);
  char got = 0;
  EXPECT_EQ(::read(reader.get(), &got, 1), 1);

  const std::string big(MessageSocket::max_bytes, 'b');
  EXPECT_TRUE((co_await client.send(big)).has_value());
  EXPECT_EQ((*co_await server.receive())->bytes, big);
  EXPECT_EQ((co_await client.send(big + "b")).error().code, EMSGSIZE);
}

TEST(MessageSocket, PassesDescriptorsAndWholeMessages) {
  const TemporaryFolder folder;
  Reactor reactor;
  auto listening = listen_messages(folder.file("m"));
  ASSERT_TRUE(listening.has_value());
  reactor.block_on(pass_descriptor(reactor, folder.file("m"), std::move(*listening)));
}

TEST(MessageSocket, LeavesOthersTheirTurnHoweverManyMessagesThereAre) {
  constexpr int calls = Registration::share_bytes / Registration::call_bytes;
  Reactor reactor;
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  MessageSocket from(reactor, Fd(fds[0]));
  MessageSocket to(reactor, Fd(fds[1]));
  int sent = 0;
  int received = 0;
  Scope scope;
  scope.spawn([](MessageSocket& socket, int& count) -> Task<void> {
    while (count < 2 * calls && co_await socket.send("m")) ++count;
  }(from, sent));
  EXPECT_LE(sent, calls);
  reactor.block_on(scope.join());
  ASSERT_EQ(sent, 2 * calls);
  scope.spawn([](MessageSocket& socket, int& count) -> Task<void> {
    while (count < 2 * calls && co_await socket.receive()) ++count;
  }(to, received));
  EXPECT_LE(received, calls);
  reactor.block_on(scope.join());
  EXPECT_EQ(received, 2 * calls);
}

}  // namespace
}  // namespace weft::runtime
