#include "runtime/dns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "runtime/combine.h"
#include "runtime/fd.h"

namespace weft::runtime {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;

/// A DNS server on loopback with one A record for every name that begins with "has", of that TTL; "mute" is
/// never answered.
class Server {
 public:
  explicit Server(std::uint8_t ttl) : ttl_(ttl), socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    ::shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  void serve() {
    std::array<char, 512> query{};
    sockaddr_in from{};
    for (;;) {
      socklen_t size = sizeof from;
      const auto got =
          ::recvfrom(socket_.get(), query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (got < 17) return;
      const auto answer = answer_to({query.data(), static_cast<std::size_t>(got)});
      if (answer.empty()) continue;
      ::sendto(socket_.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }

  std::string answer_to(std::string_view query) const {
    const auto question_end = query.find('\0', 12) + 5;
    const bool is_a = query[question_end - 3] == 1;
    const auto first_label = query.substr(13);
    if (first_label.starts_with("mute")) return {};
    const bool exists = first_label.starts_with("has");
    const char answers = exists && is_a ? 1 : 0;
    std::string answer(query.substr(0, 2));
    answer += "\x81";
    answer += exists ? '\x80' : '\x83';  // NXDOMAIN
    answer += {'\0', '\1', '\0', answers, '\0', '\0', '\0', '\0'};
    answer += query.substr(12, question_end - 12);
    if (answers == 1)
      answer += {'\xc0', '\x0c', '\0', '\1', '\0', '\1', '\0', '\0', '\0', static_cast<char>(ttl_),
                 '\0',   '\4',   10,   1,    2,    3};
    return answer;
  }

  std::uint8_t ttl_;
  Fd socket_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST(Dns, GivesAddressesWithTheirTime) {
  Reactor reactor;
  const Server server(42);
  const auto found = reactor.block_on(resolve(reactor, "has.example.test", server.address()));
  ASSERT_TRUE(found.has_value()) << found.error();
  EXPECT_THAT(found->addresses, ElementsAre(*base::Address::parse_ip("10.1.2.3", 0)));
  EXPECT_EQ(found->ttl, 42s);
}

TEST(Dns, SaysWhatIsNotThere) {
  Reactor reactor;
  const Server server(1);
  const auto found = reactor.block_on(resolve(reactor, "none.example.test", server.address()));
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error(), "no such host");
}

TEST(Dns, OfAnAddressIsThatAddress) {
  Reactor reactor;
  const auto found = reactor.block_on(resolve(reactor, "127.0.0.2"));
  ASSERT_TRUE(found.has_value()) << found.error();
  EXPECT_THAT(found->addresses, ElementsAre(*base::Address::parse_ip("127.0.0.2", 0)));
}

TEST(Dns, RefusesServersThatAreNone) {
  Reactor reactor;
  EXPECT_FALSE(reactor.block_on(resolve(reactor, "has.example.test", "not an address")).has_value());
}

/// It is given up by ending the task, at any point.
TEST(Dns, MayBeEndedWhileItWaits) {
  Reactor reactor;
  const Server server(1);
  const auto found =
      reactor.block_on(within(reactor, 20ms, resolve(reactor, "mute.example.test", server.address())));
  EXPECT_FALSE(found.has_value());
}

TEST(Dns, ManyAreAskedBesideEachOther) {
  Reactor reactor;
  const Server server(7);
  std::vector<Task<void>> tasks;
  int found = 0;
  const auto ask = [](Reactor& on, std::string host, std::string from, int& count) -> Task<void> {
    if (co_await resolve(on, std::move(host), std::move(from))) ++count;
  };
  for (int i = 0; i < 50; ++i)
    tasks.push_back(ask(reactor, "has" + std::to_string(i) + ".test", server.address(), found));
  reactor.block_on(all(std::move(tasks)));
  EXPECT_EQ(found, 50);
}

}  // namespace
}  // namespace weft::runtime
