#include "provider/process/ports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/json.h"
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
  EXPECT_GE(ports.listening(address->port()), 0);
  EXPECT_EQ(runtime::listen_on(*address).error().code, EADDRINUSE);
  ports.release("edge/default/web/80");
  EXPECT_EQ(ports.listening(address->port()), -1);
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
    ASSERT_TRUE(ports.reserve("inbound/gone"));
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

}  // namespace
}  // namespace weft::provider::process
