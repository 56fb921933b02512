// Tasks, scopes and their combinations: order, results, cancellation.
#include "runtime/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "runtime/combine.h"
#include "runtime/scope.h"

namespace weft::runtime {
namespace {

using namespace std::chrono_literals;

/// Runs turns that do not wait until nothing is left to do.
void settle(Reactor& reactor) {
  while (reactor.poll()) {
  }
}

/// Sets a flag when it is destroyed.
struct Witness {
  explicit Witness(bool& flag) : gone(&flag) {}
  Witness(Witness&& other) noexcept : gone(std::exchange(other.gone, nullptr)) {}
  Witness& operator=(Witness&&) = delete;
  ~Witness() {
    if (gone != nullptr) *gone = true;
  }
  bool* gone;
};

Task<int> number(int value) { co_return value; }
Task<int> sum(int a, int b) { co_return co_await number(a) + co_await number(b); }
Task<void> never(Witness) {
  Readiness none;
  co_await Wait(none);
}
Task<void> sleep_then(Reactor& reactor, base::Duration duration, std::string name, std::string* log) {
  co_await reactor.sleep(duration);
  *log += name;
}
Task<int> slow_number(Reactor& reactor, base::Duration duration, int value) {
  co_await reactor.sleep(duration);
  co_return value;
}

TEST(Task, GivesItsResult) {
  Reactor reactor;
  EXPECT_EQ(reactor.block_on(sum(2, 3)), 5);
}

TEST(Task, DestroyedBeforeItRanNeverRuns) {
  bool gone = false;
  {
    auto task = never(Witness(gone));
  }
  EXPECT_TRUE(gone);
}

TEST(Scope, RunsTasksBesideEachOtherByTime) {
  base::ManualClock clock;
  Reactor reactor(clock);
  std::string log;
  Scope scope;
  scope.spawn(sleep_then(reactor, 30ms, "c", &log));
  scope.spawn(sleep_then(reactor, 10ms, "a", &log));
  scope.spawn(sleep_then(reactor, 20ms, "b", &log));
  EXPECT_EQ(scope.size(), 3U);
  for (int i = 0; i < 3; ++i) {
    clock.advance(10ms);
    settle(reactor);
  }
  EXPECT_EQ(log, "abc");
  EXPECT_EQ(scope.size(), 0U);
}

TEST(Scope, CancelsWhatItOwns) {
  bool gone = false;
  {
    Scope scope;
    scope.spawn(never(Witness(gone)));
    EXPECT_FALSE(gone);
  }
  EXPECT_TRUE(gone);
}

Task<void> join_and_drop(std::unique_ptr<Scope>* scope, bool* joined) {
  co_await (*scope)->join();
  scope->reset();
  *joined = true;
}

TEST(Scope, MayBeDestroyedByWhoJoinedIt) {
  base::ManualClock clock;
  Reactor reactor(clock);
  std::string log;
  bool joined = false;
  auto scope = std::make_unique<Scope>();
  scope->spawn(sleep_then(reactor, 1ms, "x", &log));
  auto joiner = join_and_drop(&scope, &joined);
  joiner.start();
  clock.advance(1ms);
  settle(reactor);
  EXPECT_TRUE(joined);
  EXPECT_EQ(log, "x");
}

TEST(Within, GivesTheResultInTime) {
  Reactor reactor;
  EXPECT_EQ(reactor.block_on(within(reactor, 1h, slow_number(reactor, 0ms, 7))), 7);
  EXPECT_EQ(reactor.block_on(within(reactor, 1h, number(8))), 8);
}

TEST(Within, CancelsWhatIsLate) {
  base::ManualClock clock;
  Reactor reactor(clock);
  bool gone = false;
  auto task = within(reactor, 10ms, never(Witness(gone)));
  task.start();
  clock.advance(9ms);
  settle(reactor);
  EXPECT_FALSE(task.is_done());
  clock.advance(1ms);
  settle(reactor);
  ASSERT_TRUE(task.is_done());
  EXPECT_FALSE(task.take());
  EXPECT_TRUE(gone);
}

TEST(First, CancelsTheOther) {
  Reactor reactor;
  bool gone = false;
  std::string log;
  EXPECT_EQ(reactor.block_on(first(never(Witness(gone)), sleep_then(reactor, 0ms, "b", &log))), 1);
  EXPECT_TRUE(gone);
  gone = false;
  EXPECT_EQ(reactor.block_on(first(sleep_then(reactor, 0ms, "a", &log), never(Witness(gone)))), 0);
  EXPECT_TRUE(gone);
  EXPECT_EQ(log, "ba");
}

TEST(First, OneThatEndsAtOnceWins) {
  Reactor reactor;
  std::string log;
  auto immediate = []() -> Task<void> { co_return; };
  EXPECT_EQ(reactor.block_on(first(immediate(), sleep_then(reactor, 1h, "b", &log))), 0);
}

TEST(All, EndsWithTheLast) {
  Reactor reactor;
  std::string log;
  std::vector<Task<void>> tasks;
  tasks.push_back(sleep_then(reactor, 2ms, "b", &log));
  tasks.push_back(sleep_then(reactor, 1ms, "a", &log));
  reactor.block_on(all(std::move(tasks)));
  EXPECT_EQ(log.size(), 2U);
  reactor.block_on(all({}));
}

Task<void> await_event(Event& event, int* count) {
  co_await event.wait();
  ++*count;
}

TEST(Event, WakesAllAndStaysSet) {
  Event event;
  int count = 0;
  Scope scope;
  scope.spawn(await_event(event, &count));
  scope.spawn(await_event(event, &count));
  EXPECT_EQ(count, 0);
  event.set();
  EXPECT_EQ(count, 2);
  scope.spawn(await_event(event, &count));
  EXPECT_EQ(count, 3);
}

TEST(Event, WhoIsWokenMayCancelAnother) {
  Event event;
  int count = 0;
  Scope other;
  auto canceller = [](Event& e, Scope& scope) -> Task<void> {
    co_await e.wait();
    scope.cancel();
  };
  Scope scope;
  scope.spawn(canceller(event, other));
  other.spawn(await_event(event, &count));
  event.set();
  EXPECT_EQ(count, 0);
}

Task<void> await_goal(Event& event, int* value, int goal) {
  while (*value < goal) co_await event.wait();
}

TEST(Event, PulseWakesOnceWhoLooksAgainInALoop) {
  Event event;
  int value = 0;
  Scope scope;
  scope.spawn(await_goal(event, &value, 1));
  scope.spawn(await_goal(event, &value, 2));
  event.pulse();
  EXPECT_EQ(scope.size(), 2U);
  value = 1;
  event.pulse();
  EXPECT_EQ(scope.size(), 1U);
  value = 2;
  event.pulse();
  EXPECT_EQ(scope.size(), 0U);
}

Task<void> drain(Queue<int>& queue, std::vector<int>* into) {
  while (auto value = co_await queue.pop()) into->push_back(*value);
}

TEST(Queue, HandsOverInOrderAndEnds) {
  Queue<int> queue;
  std::vector<int> seen;
  queue.push(1);
  Scope scope;
  scope.spawn(drain(queue, &seen));
  queue.push(2);
  queue.push(3);
  queue.close();
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(scope.size(), 0U);
}

TEST(Reactor, RunsWhatOtherThreadsPost) {
  Reactor reactor;
  int count = 0;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) reactor.post([&count] { ++count; });
    reactor.post([&reactor] { reactor.stop(); });
  });
  reactor.run();
  other.join();
  EXPECT_EQ(count, 1000);
}

struct Recorder final : Waiter {
  explicit Recorder(int id, std::vector<int>& into) : number(id), log(into) {}
  void wake() override { log.push_back(number); }
  int number;
  std::vector<int>& log;
};

TEST(Timer, FiresInOrderAlsoWhenMovedAndCancelled) {
  base::ManualClock clock;
  Reactor reactor(clock);
  std::vector<int> log;
  std::vector<std::unique_ptr<Recorder>> owners;
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 100; ++i) {
    owners.push_back(std::make_unique<Recorder>(i, log));
    timers.push_back(std::make_unique<Timer>(reactor, *owners.back()));
    timers.back()->set(clock.now() + std::chrono::milliseconds((i * 37) % 100 + 1));
  }
  for (int i = 0; i < 100; ++i)
    timers[static_cast<std::size_t>(i)]->set(clock.now() + std::chrono::milliseconds(100 - i));
  for (int i = 0; i < 100; i += 2) timers[static_cast<std::size_t>(i)]->cancel();
  clock.advance(1s);
  settle(reactor);
  ASSERT_EQ(log.size(), 50U);
  for (std::size_t i = 0; i < log.size(); ++i) EXPECT_EQ(log[i], 99 - 2 * static_cast<int>(i));
}

}  // namespace
}  // namespace weft::runtime
