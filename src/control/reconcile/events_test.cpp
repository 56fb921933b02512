#include "control/reconcile/events.h"

#include <gtest/gtest.h>

#include "control/reconcile/testing_mesh_test.h"

namespace weft::control::reconcile::testing {
namespace {

struct EventsTest : ::testing::Test {
  void settle() {
    while (reactor.poll()) {
    }
  }
  base::ManualClock clock;
  runtime::Reactor reactor{clock};
  MemoryStore store{reactor};
  Events events{reactor, store, base::Random(1)};
};

TEST_F(EventsTest, WhatRepeatsIsCounted) {
  const store::Key pod{"Pod", "default", "web-1"};
  events.record(pod, EventType::warning, "BackOff", "restarts again");
  clock.advance(std::chrono::seconds(5));
  events.record(pod, EventType::warning, "BackOff", "restarts again");
  events.record(pod, EventType::normal, "Started", "process 1 runs");
  settle();
  const auto list = store.list("Event", "default").objects;
  ASSERT_EQ(list.size(), 2U);
  const auto& repeated = list[0]->at("reason") == "BackOff" ? *list[0] : *list[1];
  EXPECT_EQ(repeated["count"], 2);
  EXPECT_EQ(repeated["type"], "Warning");
  EXPECT_EQ(repeated["involvedObject"]["name"], "web-1");
  EXPECT_NE(repeated["firstTimestamp"], repeated["lastTimestamp"]);
}

TEST_F(EventsTest, TheNewestAreKept) {
  for (std::size_t i = 0; i < events_kept + 20; ++i) {
    events.record({"Pod", "default", "web-" + std::to_string(i)}, EventType::normal, "Started", "");
    if (i % 100 == 0) settle();
  }
  settle();
  const auto list = store.list("Event", {}).objects;
  EXPECT_EQ(list.size(), events_kept);
  for (const auto& event : list) EXPECT_NE(event->at("involvedObject").at("name"), "web-19");
}

}  // namespace
}  // namespace weft::control::reconcile::testing
