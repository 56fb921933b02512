#include "control/reconcile/work_queue.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/combine.h"

namespace weft::control::reconcile {
namespace {

using namespace std::chrono_literals;

struct Fixture : testing::Test {
  void settle() {
    while (reactor.poll()) {
    }
  }
  runtime::Task<bool> handle(std::string key) {
    handled.push_back(key);
    if (held.contains(key)) co_await release.wait();
    co_return !failing.contains(key);
  }

  base::ManualClock clock;
  runtime::Reactor reactor{clock};
  std::vector<std::string> handled;
  std::set<std::string> held;
  std::set<std::string> failing;
  runtime::Event release;
  WorkQueue<std::string> queue{reactor, 2, [this](std::string key) { return handle(std::move(key)); }};
};

using WorkQueueTest = Fixture;
using Keys = std::vector<std::string>;

TEST_F(WorkQueueTest, HandlesAKeyOnceHoweverOftenItWasAdded) {
  for (int i = 0; i < 3; ++i) queue.add("a");
  queue.add("b");
  EXPECT_TRUE(handled.empty()) << "never from within add()";
  settle();
  EXPECT_EQ(handled, (Keys{"a", "b"}));
  EXPECT_TRUE(queue.idle());
}

TEST_F(WorkQueueTest, HandlesAgainWhatIsAddedMeanwhile) {
  held = {"a"};
  queue.add("a");
  settle();
  queue.add("a");
  queue.add("a");
  settle();
  EXPECT_EQ(handled, (Keys{"a"})) << "one key is never handled twice at the same time";
  held.clear();
  release.set();
  settle();
  EXPECT_EQ(handled, (Keys{"a", "a"}));
}

TEST_F(WorkQueueTest, HandlesSoManyBesideEachOtherAndNotMore) {
  held = {"a", "b", "c"};
  for (const auto* key : {"a", "b", "c"}) queue.add(key);
  settle();
  EXPECT_EQ(handled, (Keys{"a", "b"}));
  release.set();
  settle();
  EXPECT_EQ(handled, (Keys{"a", "b", "c"}));
}

TEST_F(WorkQueueTest, WaitsForTheEarliestTime) {
  queue.add_after("a", 100ms);
  queue.add_after("a", 50ms);
  queue.add_after("b", 70ms);
  settle();
  EXPECT_TRUE(handled.empty());
  clock.advance(50ms);
  settle();
  EXPECT_EQ(handled, (Keys{"a"}));
  clock.advance(1000ms);
  settle();
  EXPECT_EQ(handled, (Keys{"a", "b"}));
}

TEST_F(WorkQueueTest, TriesAgainEverLaterUntilItSucceeds) {
  failing = {"a"};
  queue.add("a");
  settle();
  for (const auto pause : {50ms, 100ms, 200ms}) {
    const auto before = handled.size();
    clock.advance(pause - 1ms);
    settle();
    EXPECT_EQ(handled.size(), before);
    clock.advance(1ms);
    settle();
    EXPECT_EQ(handled.size(), before + 1);
  }
  failing.clear();
  clock.advance(400ms);
  settle();
  const auto before = handled.size();
  clock.advance(60'000ms);
  settle();
  EXPECT_EQ(handled.size(), before);
}

}  // namespace
}  // namespace weft::control::reconcile
