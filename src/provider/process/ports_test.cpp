#include "provider/process/ports.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <map>

#include "base/json.h"
#include "provider/process/descriptors.h"
#include "runtime/socket.h"

namespace weft::provider::process {
namespace {

using testing::HasSubstr;

TEST(Ports, AKeyKeepsItsAddressAndIsListenedOnAtOnce) {
  Ports ports(usable_ports(), "one");
  auto address = ports.reserve("edge/default/web/80");
  ASSERT_TRUE(address);
  EXPECT_TRUE(address->is_loopback());
  EXPECT_EQ(ports.reserve("edge/default/web/80").value(), *address);
  EXPECT_NE(ports.reserve("edge/default/cart/80").value(), *address);
  EXPECT_GE(ports.listening("edge/default/web/80"), 0);
  EXPECT_EQ(runtime::listen_on(*address).error().code, EADDRINUSE);
  ports.release("edge/default/web/80");
  EXPECT_EQ(ports.listening("edge/default/web/80"), -1);
}

TEST(Ports, AreRememberedAcrossLives) {
  base::Json saved;
  base::Address before;
  {
    Ports ports(usable_ports(), "two");
    before = ports.reserve("edge/a").value();
    ASSERT_TRUE(ports.reserve("edge/b"));
    saved = ports.to_json();
  }
  Ports ports(usable_ports(), "another place to begin");
  ports.restore(saved);
  EXPECT_EQ(ports.reserve("edge/a").value(), before);
}

TEST(Ports, AKeyThatNobodyAsksForIsForgotten) {
  base::Json saved;
  {
    Ports ports(usable_ports(), "three");
    ASSERT_TRUE(ports.reserve("edge/gone"));
    saved = ports.to_json();
  }
  for (int life = 0; life < 10; ++life) {
    Ports ports(usable_ports(), "three");
    ports.restore(saved);
    saved = ports.to_json();
  }
  EXPECT_TRUE(saved.empty());
}

TEST(Ports, MalformedMemoryIsPassedOver) {
  Ports ports(usable_ports(), "four");
  ports.restore(base::Json::parse(
      R"({"a": 1, "b": {"port": "x"}, "c": {"port": 70000}, "d": {"port": -1}, "e": {"port": 20001, "unusedLives": "x"}})"));
  EXPECT_EQ(ports.to_json().size(), 1U);
  ports.restore(base::Json::array());
}

TEST(Ports, AnAddressThatSomebodyElseTookIsSaidWithItsHolder) {
  base::Json saved;
  base::Address address;
  {
    Ports ports(usable_ports(), "five");
    address = ports.reserve("edge/web").value();
    saved = ports.to_json();
  }
  auto holder = runtime::listen_on(address);
  ASSERT_TRUE(holder);
  Ports ports(usable_ports(), "five");
  ports.restore(saved);
  auto taken = ports.reserve("edge/web");
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, ProviderErrorKind::port_in_use);
  EXPECT_THAT(taken.error().detail, HasSubstr("edge/web"));
  EXPECT_THAT(taken.error().detail, HasSubstr("process " + std::to_string(getpid()) + " ("));
  holder->reset();
  EXPECT_EQ(ports.reserve("edge/web").value(), address) << "free again";
}

/// A port that nobody has now, outside of the usable range.
std::uint16_t free_port() {
  const auto socket = runtime::listen_on(base::Address::loopback(0));
  return runtime::local_address(socket->get()).port();
}

TEST(Ports, AKeyMayAskForItsPort) {
  Ports ports(usable_ports(), "asks");
  const auto wanted = free_port();
  const auto key = fmt::format("edge/default/web/80@{}", wanted);
  EXPECT_EQ(ports.reserve(key).value(), base::Address::loopback(wanted));
  EXPECT_GE(ports.listening(key), 0);
  const auto second = ports.reserve(fmt::format("edge/default/api/80@{}", wanted));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ProviderErrorKind::port_in_use);
  EXPECT_THAT(second.error().detail, HasSubstr(fmt::format("port {} is that of {}", wanted, key)));
  ports.release(key);
  EXPECT_TRUE(ports.reserve(fmt::format("edge/default/api/80@{}", wanted)));
}

TEST(Ports, WhoHasAPortThatIsAskedForIsNamed) {
  Ports ports(usable_ports(), "asks for what is taken");
  auto holder = runtime::listen_on(base::Address::loopback(0));
  ASSERT_TRUE(holder);
  const auto port = runtime::local_address(holder->get()).port();
  const auto key = fmt::format("edge/default/web/80@{}", port);
  EXPECT_THAT(ports.reserve(key).error().detail,
              HasSubstr(fmt::format("port {} is taken by process {} (", port, getpid())));
  holder->reset();
  EXPECT_TRUE(ports.reserve(key)) << "free now";
  const auto loan = ports.lend();
  ASSERT_TRUE(loan);
  EXPECT_THAT(ports.reserve(fmt::format("edge/default/api/80@{}", (*loan)->port())).error().detail,
              HasSubstr("is that of an instance of this mesh"));
}

TEST(Ports, APortThatIsAskedForIsTakenFromAKeyThatNobodyAskedForYet) {
  base::Json saved;
  base::Address address;
  {
    Ports ports(usable_ports(), "life before");
    address = ports.reserve("edge/default/web/80").value();
    saved = ports.to_json();
  }
  Ports ports(usable_ports(), "life before");
  ports.restore(saved);
  EXPECT_EQ(ports.reserve(fmt::format("edge/default/api/80@{}", address.port())).value(), address);
  EXPECT_NE(ports.reserve("edge/default/web/80").value(), address);
}

TEST(Ports, WhatWasReleasedIsHadAgain) {
  base::Json saved;
  base::Address web;
  {
    Ports ports(usable_ports(), "released");
    web = ports.reserve("edge/default/web/80").value();
    ports.release("edge/default/web/80");
    EXPECT_EQ(ports.listening("edge/default/web/80"), -1);
    EXPECT_NE(ports.reserve("edge/default/api/80").value(), web) << "others take it last";
    EXPECT_EQ(ports.reserve("edge/default/web/80").value(), web);
    ports.release("edge/default/web/80");
    saved = ports.to_json();
  }
  Ports ports(usable_ports(), "released");
  ports.restore(saved);
  EXPECT_NE(ports.reserve("edge/default/other/80").value(), web) << "others take it last";
  EXPECT_EQ(ports.reserve("edge/default/web/80").value(), web) << "in the next life too";
  ports.release("edge/default/web/80");
  const auto somebody = runtime::listen_on(web);
  ASSERT_TRUE(somebody);
  EXPECT_TRUE(ports.reserve("edge/default/web/80")) << "another one while somebody else has it";
}

TEST(Ports, TheMemoryOfWhatWasReleasedIsBounded) {
  Ports ports(usable_ports(), "bounded");
  const auto first = ports.reserve("edge/first/80").value();
  ports.release("edge/first/80");
  for (int i = 0; i < 2'000; ++i) {
    const auto key = fmt::format("edge/web-{}/80", i);
    ASSERT_TRUE(ports.reserve(key));
    ports.release(key);
  }
  EXPECT_EQ(ports.to_json().size(), 1'024U);
  EXPECT_FALSE(ports.to_json().contains("edge/first/80")) << first.to_string();
}

TEST(Ports, NodePortsAreTakenForOthersLast) {
  Ports ports({29'999, 30'001}, "node ports");
  auto first = ports.reserve("edge/a/80");
  ASSERT_TRUE(first);
  auto second = ports.reserve("edge/b/80");
  ASSERT_TRUE(second);
  EXPECT_GE(second->port(), 30'000);
}

TEST(Ports, HomesBeginAtDifferentPlaces) {
  std::map<std::uint16_t, int> first;
  for (int i = 0; i < 200; ++i) {
    // Where no mesh of another test has any: those that are taken are passed over.
    Ports ports({61'000, 65'535}, fmt::format("home {}", i));
    ++first[ports.lend().value()->port()];
  }
  for (const auto& [port, homes] : first) EXPECT_LE(homes, 3) << port;
}

TEST(Ports, LoansAvoidEachOtherAndWhatIsInUse) {
  const auto range = usable_ports();
  Ports ports({range.first, static_cast<std::uint16_t>(range.first + 2)}, "six");
  auto listening = ports.reserve("edge/web");
  ASSERT_TRUE(listening);
  std::vector<std::shared_ptr<PortLoan>> loans;
  while (auto loan = ports.lend()) loans.push_back(*loan);
  EXPECT_LE(loans.size(), 2U);
  for (const auto& loan : loans) EXPECT_NE(loan->port(), listening->port());
  EXPECT_EQ(ports.lend().error().kind, ProviderErrorKind::no_free_port);
  EXPECT_EQ(ports.reserve("edge/other").error().kind, ProviderErrorKind::no_free_port);
  const auto count = loans.size();
  loans.clear();
  if (count > 0) {
    EXPECT_TRUE(ports.lend()) << "given back with its end";
  }
}

TEST(Ports, ARangeThatIsUsedUpSaysWhoHasItAndCostsNothingMore) {
  base::ManualClock clock;
  const auto range = usable_ports();
  auto other = runtime::listen_on(base::Address::loopback(0));
  ASSERT_TRUE(other);
  const auto taken = runtime::local_address(other->get()).port();
  Ports alone({taken, taken}, "seven", clock);
  auto none = alone.reserve("edge/web");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ProviderErrorKind::no_free_port);
  EXPECT_THAT(none.error().detail, HasSubstr("edge/web"));
  EXPECT_THAT(none.error().detail, HasSubstr("0 for its addresses and 0 for its instances, others use 1"));
  other->reset();
  EXPECT_FALSE(alone.reserve("edge/web")) << "not looked at again at once";
  clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(alone.reserve("edge/web").value().port(), taken);

  Ports ports({range.first, static_cast<std::uint16_t>(range.first + 199)}, "eight", clock);
  std::vector<std::shared_ptr<PortLoan>> loans;
  while (auto loan = ports.lend()) loans.push_back(std::move(*loan));
  const auto lent = loans.size();
  loans.resize(lent / 2);
  int reserved = 0;
  while (ports.reserve("edge/" + std::to_string(reserved))) ++reserved;
  EXPECT_EQ(static_cast<std::size_t>(reserved), lent - lent / 2) << "what was given back is found";
  for (int i = 0; i < reserved; ++i) ports.release("edge/" + std::to_string(i));
  EXPECT_TRUE(ports.lend());
}

TEST(Ports, OneHomeLeavesRoomForInstancesAndForOthers) {
  const PortRange some{10'000, 10'199};  // no mesh has one of these
  Ports ports(some, "ten");
  int addresses = 0;
  while (ports.reserve("edge/default/web/" + std::to_string(addresses))) ++addresses;
  EXPECT_EQ(addresses, some.most_addresses());
  EXPECT_EQ(addresses, 163);
  const auto refused = ports.reserve("outbound/default/web/default/db").error();
  EXPECT_EQ(refused.kind, ProviderErrorKind::no_free_port);
  EXPECT_THAT(refused.detail,
              HasSubstr("outbound/default/web/default/db: the Services of this mesh and what depends "
                        "on them have 163 addresses, and may have 163"));
  EXPECT_TRUE(ports.reserve("edge/default/web/0")) << "what has its port keeps it";
  std::vector<std::shared_ptr<PortLoan>> loans;
  int instances = 0;
  for (; ports.reserve("inbound/default/web-" + std::to_string(instances) + "/80"); ++instances) {
    auto loan = ports.lend();
    if (!loan) break;
    loans.push_back(std::move(*loan));
  }
  EXPECT_GE(instances, 12) << "instances have theirs";
  const auto full = ports.lend().error();
  EXPECT_EQ(full.kind, ProviderErrorKind::no_free_port);
  EXPECT_THAT(full.detail, HasSubstr("and may take 188 of those from"));
  EXPECT_TRUE(Ports(some, "eleven").lend()) << "another home has some";
  ports.release("edge/default/web/0");
  const auto last = ports.lend();
  EXPECT_TRUE(last);
  EXPECT_TRUE(ports.reserve("edge/default/web/1"));
  EXPECT_FALSE(ports.reserve("edge/default/new/80")) << "the instance has that place of the mesh's";

  Ports next(some, "ten");
  next.restore(ports.to_json());
  EXPECT_EQ(next.to_json().size(), 162U + 1U) << "instances end with the supervisor, what was released stays";
}

TEST(Ports, TooManyOpenFilesIsNoLackOfPorts) {
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
  GTEST_SKIP() << "the sanitizer opens a pipe to look at an object's type";
#endif
  Ports ports(usable_ports(), "nine");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  std::vector<runtime::Fd> open;
  while (open.size() < 2 * spare_descriptors) open.emplace_back(::dup(0));
  const int next = open.back().get() + 1;
  for (const auto kept : {0, spare_descriptors}) {
    rlimit low = before;
    low.rlim_cur = static_cast<rlim_t>(next + kept);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    auto lent = ports.lend();
    auto reserved = ports.reserve("edge/web");
    ::setrlimit(RLIMIT_NOFILE, &before);
    if (kept == 0) {
      EXPECT_THAT(lent.error().detail, HasSubstr("oo many open files"));
    }
    ASSERT_FALSE(reserved) << "those that are kept back are for other things";
    EXPECT_EQ(reserved.error().kind, ProviderErrorKind::failed);
    EXPECT_THAT(reserved.error().detail, HasSubstr("oo many open files"));
  }
  EXPECT_TRUE(ports.reserve("edge/web"));
}

}  // namespace
}  // namespace weft::provider::process
