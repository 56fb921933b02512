#include "store/history.h"

#include <gtest/gtest.h>

#include "runtime/reactor.h"
#include "runtime/scope.h"

namespace weft::store {
namespace {

/// An event whose object is named as it is numbered.
Numbered event(std::uint64_t number, std::string kind = "Service") {
  return {number,
          {.type = Event::Type::modified,
           .key = {std::move(kind), "default", std::to_string(number)},
           .object = {},
           .previous = {}}};
}

std::vector<std::uint64_t> numbers(const Result<std::vector<Event>>& events) {
  std::vector<std::uint64_t> found;
  if (events) {
    for (const auto& one : *events) found.push_back(std::stoull(one.key.name));
  }
  return found;
}

class HistoryTest : public ::testing::Test {
 protected:
  std::shared_ptr<History> history(std::uint64_t start = 10, std::size_t limit = 4) {
    return std::make_shared<History>(reactor, start, limit);
  }
  std::vector<std::uint64_t> next(Watch& watch) { return numbers(reactor.block_on(watch.next())); }

  runtime::Reactor reactor;
};

TEST_F(HistoryTest, ResumesFromAnyVersionThatItKnows) {
  const auto known = history();
  known->append({event(11), event(13), event(14)});
  struct Case {
    std::uint64_t since;
    std::vector<std::uint64_t> expected;
  };
  for (const auto& [since, expected] :
       {Case{10, {11, 13, 14}}, Case{11, {13, 14}}, Case{12, {13, 14}}, Case{13, {14}}}) {
    auto watch = known->watch("Service", since);
    ASSERT_TRUE(watch.has_value()) << since;
    EXPECT_EQ(next(**watch), expected) << since;
  }
  EXPECT_TRUE(known->watch("Service", 14).has_value());
  EXPECT_EQ(known->watch("Service", 9).error().kind, StoreErrorKind::gone);
  EXPECT_EQ(known->watch("Service", 15).error().kind, StoreErrorKind::gone);
}

TEST_F(HistoryTest, GivesTheKindsThatAreAskedFor) {
  const auto known = history();
  known->append({event(11, "Pod"), event(12), event(13, "Pod")});
  EXPECT_EQ(next(**known->watch("Pod", 10)), (std::vector<std::uint64_t>{11, 13}));
  EXPECT_EQ(next(**known->watch("Service", 10)), (std::vector<std::uint64_t>{12}));
}

runtime::Task<void> collect(Watch& watch, std::vector<std::uint64_t>& into, std::size_t count) {
  while (into.size() < count) {
    const auto events = co_await watch.next();
    if (!events) co_return;
    for (const auto found : numbers(events)) into.push_back(found);
  }
}

TEST_F(HistoryTest, WakesThoseThatWaitAlsoWhenMoreComesThanItKeeps) {
  const auto known = history();
  auto watch = known->watch("Service", 10);
  std::vector<std::uint64_t> seen;
  runtime::Scope scope;
  scope.spawn(collect(**watch, seen, 6));
  known->append({event(11), event(12), event(13)});
  known->append({event(14), event(15), event(16)});
  EXPECT_TRUE(seen.empty()) << "nothing of a watcher runs within the change";
  while (scope.size() != 0) reactor.turn();
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{11, 12, 13, 14, 15, 16}));
  EXPECT_EQ(known->watch("Service", 11).error().kind, StoreErrorKind::gone);
  EXPECT_TRUE(known->watch("Service", 12).has_value());
}

TEST_F(HistoryTest, TellsASlowWatcher) {
  const auto known = history();
  auto watch = known->watch("Service", 10);
  for (std::uint64_t number = 11; number < 20; ++number) known->append({event(number)});
  while (reactor.poll()) {
  }
  const auto events = reactor.block_on((*watch)->next());
  ASSERT_FALSE(events.has_value());
  EXPECT_EQ(events.error().kind, StoreErrorKind::gone);
}

TEST_F(HistoryTest, OtherKindsDoNotMakeAWaitingWatcherSlow) {
  const auto known = history();
  auto watch = known->watch("Service", 10);
  std::vector<std::uint64_t> seen;
  runtime::Scope scope;
  scope.spawn(collect(**watch, seen, 1));
  for (std::uint64_t number = 11; number < 30; ++number) {
    known->append({event(number, "Pod")});
    while (reactor.poll()) {
    }
    EXPECT_EQ((*watch)->seen(), to_version(number));
  }
  known->append({event(30)});
  while (scope.size() != 0) reactor.turn();
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{30}));
  EXPECT_EQ((*watch)->seen(), to_version(30));
}

TEST_F(HistoryTest, AWatchOutlivesItsHistory) {
  auto known = history();
  known->append({event(11)});
  auto watch = known->watch("Service", 10);
  known.reset();
  EXPECT_EQ(next(**watch), (std::vector<std::uint64_t>{11}));
}

}  // namespace
}  // namespace weft::store
