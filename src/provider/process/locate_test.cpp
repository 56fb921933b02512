#include "provider/process/locate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "provider/process/proc.h"
#include "runtime/socket.h"

namespace weft::provider::process {
namespace {

using testing::HasSubstr;

base::Address address(std::string_view text) { return *base::Address::parse(text); }

struct Case {
  const char* name;
  std::vector<std::string> listens;
  bool may_be_fixed;
  std::uint16_t own;  // what its own PORT says
  std::string where;  // of the port that was told 23055, with containerPort 18080
  bool is_fixed;
  std::string fault;
};

const Case cases[] = {
    {"nothing yet", {}, true, 0, "127.0.0.1:23055", false, ""},
    {"where it was told to", {"127.0.0.1:23055"}, true, 0, "127.0.0.1:23055", false, ""},
    {"the told number on IPv6, of several too", {"[::1]:23055"}, false, 0, "[::1]:23055", false, ""},
    {"its containerPort", {"127.0.0.1:18080"}, true, 0, "127.0.0.1:18080", true, ""},
    {"its containerPort on IPv6", {"[::1]:18080"}, true, 0, "[::1]:18080", true, ""},
    {"its containerPort, of several",
     {"127.0.0.1:18080"},
     false,
     0,
     "127.0.0.1:23055",
     false,
     "it listens on 18080; weft told it 23055 in $PORT: read it from there"},
    {"its own number", {"127.0.0.1:8080"}, true, 8080, "127.0.0.1:8080", true, ""},
    {"its own number, of several",
     {"127.0.0.1:8080"},
     false,
     8080,
     "127.0.0.1:23055",
     false,
     "it listens on 8080; its own `env` says 8080 in $PORT, which one instance alone can have: leave that to "
     "weft"},
    {"neither its own number nor its containerPort",
     {"127.0.0.1:3000"},
     true,
     8080,
     "127.0.0.1:23055",
     false,
     "it listens on 3000; its own `env` says 8080 in $PORT: read it from there"},
    {"elsewhere",
     {"127.0.0.1:18999"},
     true,
     0,
     "127.0.0.1:23055",
     false,
     "it listens on 18999; weft told it 23055 in $PORT: read it from there"},
    {"on an address of the network alone",
     {"10.0.0.1:18080"},
     true,
     0,
     "127.0.0.1:23055",
     false,
     "it listens on 10.0.0.1:18080; weft told it 23055 in $PORT: read it from there"},
    {"on many",
     {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"},
     true,
     0,
     "127.0.0.1:23055",
     false,
     "it listens on 1, 2, 3 and 1 more; weft told it 23055 in $PORT: read it from there"},
};

TEST(LocatePorts, APortIsWhereTheInstanceListensForIt) {
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    std::vector<base::Address> listens;
    for (const auto& text : each.listens) listens.push_back(address(text));
    std::vector<BoundPort> ports{{{"http", 18080}, address("127.0.0.1:23055")}};
    const auto fault = locate_ports(ports, {{"PORT", 23055, each.own}}, listens, each.may_be_fixed);
    EXPECT_EQ(ports.front().address.to_string(), each.where);
    EXPECT_EQ(ports.front().is_fixed, each.is_fixed);
    EXPECT_EQ(fault, each.fault);
  }
}

TEST(LocatePorts, OfSeveralPortsEachHasItsOwn) {
  std::vector<BoundPort> ports{{{"http", 80}, address("127.0.0.1:23055")},
                               {{"admin", 81}, address("127.0.0.1:23056")},
                               {{"", 82}, address("127.0.0.1:23057")}};
  const std::vector<ToldPort> told{{"PORT", 23055}, {"PORT_ADMIN", 23056}, {"", 23057}};
  const std::vector listens{address("127.0.0.1:81"), address("127.0.0.1:23055"), address("127.0.0.1:9000")};
  EXPECT_EQ(
      locate_ports(ports, told, listens, true),
      "it listens on 9000; give its containerPort 82 a name, such as p82, and read where to listen from "
      "$PORT_P82");
  EXPECT_EQ(ports[0].address.port(), 23055);
  EXPECT_EQ(ports[1].address.port(), 81);
  EXPECT_EQ(ports[2].address.port(), 23057);
}

TEST(LocatePorts, SaysWhoHasThePort) {
  auto holder = runtime::listen_on(base::Address::loopback(0));
  ASSERT_TRUE(holder);
  const auto port = runtime::local_address(holder->get()).port();
  const std::vector<BoundPort> ports{{{"", port}, address("127.0.0.1:23055")}};
  Holders holders;
  const auto holder_of = [&](std::uint16_t number) { return holders.describe(number, {}); };
  EXPECT_THAT(describe_taken(ports, {{"PORT", 23055}}, holder_of),
              testing::AllOf(HasSubstr(fmt::format("if it wants port {}, that is taken by process {} (", port,
                                                   ::getpid())),
                             HasSubstr("weft told it 23055 in $PORT: read it from there")));
  holder->reset();
  EXPECT_EQ(describe_taken(ports, {{"PORT", 23055}}, holder_of), "");
}

TEST(ListeningAddresses, AreThoseAtWhichOneReachesThem) {
  const std::vector<pid_t> self{::getpid()};
  for (const auto& [bound, reached] : {std::pair{"127.0.0.1", "127.0.0.1"},
                                       {"0.0.0.0", "127.0.0.1"},
                                       {"::", "127.0.0.1"},
                                       {"::1", "::1"},
                                       {"127.0.0.2", "127.0.0.2"},
                                       {"::ffff:127.0.0.1", "127.0.0.1"}}) {
    SCOPED_TRACE(bound);
    auto socket = runtime::listen_on(*base::Address::parse_ip(bound, 0));
    if (!socket && socket.error().code == EADDRNOTAVAIL) continue;  // a machine without IPv6
    ASSERT_TRUE(socket) << socket.error().message();
    const auto port = runtime::local_address(socket->get()).port();
    EXPECT_THAT(listening_addresses(self), testing::Contains(*base::Address::parse_ip(reached, port)));
  }
  EXPECT_THAT(listening_addresses({}), testing::IsEmpty());
}

}  // namespace
}  // namespace weft::provider::process
