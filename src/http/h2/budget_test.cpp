// What a peer may send that does nothing for any message: so much, and more beside messages it does something
// for.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "http/h2/connection.h"
#include "http/h2/peer_for_test.h"
#include "http/h2/session.h"

namespace weft::http::h2 {
namespace {

/// Sendings between two turns: fewer frames than the 1,000 answers that nghttp2 itself lets wait.
constexpr int sendings_at_once = 100;

/// A server's connection with a request on stream 1, and its client, which may do anything.
struct Bench {
  Bench()
      : transports(runtime::memory_pair(reactor, 1 << 20)),
        peer(std::move(transports.first), true),
        connection(Connection::server(reactor, std::move(transports.second))) {
    peer.head(-1, {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}, false);
    settle();
    stream = connection.try_accept();
  }
  void settle() {
    for (bool goes_on = true; goes_on;) {
      peer.turn();
      goes_on = false;
      while (reactor.poll()) goes_on = true;
    }
    peer.turn();
  }
  /// Sends so many times, or until the connection is ended: how many times it was.
  int flood(const std::function<void(Peer&)>& send, int count) {
    int sent = 0;
    for (; sent < count && !peer.gone_away; sent += sendings_at_once) {
      for (int i = 0; i < sendings_at_once; ++i) send(peer);
      settle();
      for (auto piece = stream->try_body(); piece && *piece; piece = stream->try_body())
        received += (*piece)->size();
    }
    return sent;
  }

  runtime::Reactor reactor;
  std::pair<std::unique_ptr<runtime::Stream>, std::unique_ptr<runtime::Stream>> transports;
  Peer peer;
  Connection connection;
  std::optional<ServerStream> stream;
  std::size_t received = 0;
};

std::string frame(int kind, int flags, char stream, const std::string& payload = {}) {
  return std::string{0,
                     0,
                     static_cast<char>(payload.size()),
                     static_cast<char>(kind),
                     static_cast<char>(flags),
                     0,
                     0,
                     0,
                     stream} +
         payload;
}

std::function<void(Peer&)> sends(std::string bytes) {
  return [bytes = std::move(bytes)](Peer& peer) { peer.raw(bytes); };
}

const std::string ping = frame(NGHTTP2_PING, 0, 0, std::string(8, 'p'));
const std::string window = frame(NGHTTP2_WINDOW_UPDATE, 0, 0, {0, 0, 0, 1});

TEST(H2Budget, FramesThatDoNothingEndTheConnection) {
  struct Case {
    std::string_view name;
    std::function<void(Peer&)> send;
  };
  for (const auto& [name, send] : std::vector<Case>{
           {"ping", sends(ping)},
           {"ping_ack", sends(frame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, std::string(8, 'p')))},
           {"settings", [](Peer& peer) { peer.settings(); }},
           {"window_of_connection", sends(window)},
           {"window_of_stream", sends(frame(NGHTTP2_WINDOW_UPDATE, 0, 1, {0, 0, 0, 1}))},
           {"priority", sends(frame(NGHTTP2_PRIORITY, 0, 1, {0, 0, 0, 0, 16}))},
           {"empty_data", sends(frame(NGHTTP2_DATA, 0, 1))},
           {"padding", sends(frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, {1, 0}))},
       }) {
    Bench bench;
    const auto sent = bench.flood(send, 2 * frame_budget);
    ASSERT_TRUE(bench.peer.gone_away) << name;
    EXPECT_EQ(*bench.peer.gone_away, std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM}) << name;
    EXPECT_GE(sent, frame_budget) << name;
  }
}

TEST(H2Budget, MessagesThatBringSuchFramesGoOn) {
  // As gRPC's clients do: with each message a PING, and an opened window.
  constexpr int messages = 100'000;
  const std::string message = "message";
  Bench bench;
  EXPECT_EQ(bench.flood(sends(frame(NGHTTP2_DATA, 0, 1, message) + ping + window), messages), messages);
  EXPECT_FALSE(bench.peer.gone_away);
  EXPECT_EQ(bench.received, messages * message.size());
}

}  // namespace
}  // namespace weft::http::h2
