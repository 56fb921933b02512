// The incremental protocol as a table: what is sent, in which order, after which requests.
#include "xds/subscriber.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xds/subscriber_for_test.h"

namespace weft::xds {
namespace {

Peer subscribed(int count) {
  Peer peer;
  peer.subscriber.take(ask(Type::cluster));
  peer.subscriber.take(ask(Type::listener, {"*"}));
  peer.subscriber.take(ask(Type::endpoints, endpoints_of(count)));
  peer.subscriber.take(ask(Type::routes, routes_of(count)));
  return peer;
}

TEST(Inventory, SharesWhatTheSnapshotShares) {
  const auto snapshot = sample_snapshot(3);
  const auto before = inventory(snapshot);
  auto changed = snapshot;
  changed.clusters[1].endpoints.clear();
  const auto after = inventory(changed, before);
  for (const auto type : {Type::listener, Type::routes}) EXPECT_EQ(after->shared(type), before->shared(type));
  EXPECT_NE(after->shared(Type::endpoints), before->shared(Type::endpoints));
  // A table's entry says whether a listener leads to it.
  changed.listeners.pop_back();
  const auto last = inventory(changed, after);
  EXPECT_NE(last->shared(Type::routes), after->shared(Type::routes));
  EXPECT_FALSE(last->of(Type::routes).back().referenced);
  EXPECT_EQ(last->shared(Type::cluster), after->shared(Type::cluster));
}

TEST(Subscriber, SendsWhatIsNamedFirstAndTakesItAwayLast) {
  auto peer = subscribed(3);
  auto two = inventory(sample_snapshot(2));
  EXPECT_THAT(peer.get(two), testing::ElementsAre("cluster +2", "endpoints +2", "listener +2", "routes +2",
                                                  "routes -1", "endpoints -1"));
  EXPECT_FALSE(peer.subscriber.is_settled(two));
  peer.acknowledge();
  EXPECT_TRUE(peer.subscriber.is_settled(two));

  auto changed = sample_snapshot(3);
  changed.clusters.erase(changed.clusters.begin());
  changed.listeners.erase(changed.listeners.begin());
  changed.routes.erase(changed.routes.begin());
  EXPECT_THAT(peer.get(inventory(changed, two)),
              testing::ElementsAre("cluster +1", "endpoints +1", "listener +1 -1", "routes +1", "routes -1",
                                   "endpoints -1", "cluster -1"));
}

TEST(Subscriber, AnswersBeforeItSendsTheNextStep) {
  auto peer = subscribed(1);
  auto one = inventory(sample_snapshot(1));
  auto three = inventory(sample_snapshot(3), one);
  peer.get(one);
  EXPECT_THAT(peer.get(three), testing::IsEmpty()) << "the first is not answered yet";
  // But what is asked for belongs to the first.
  peer.subscriber.take(ask(Type::endpoints, {"no such"}));
  EXPECT_THAT(peer.get(three), testing::ElementsAre("endpoints -1"));
  peer.acknowledge();
  EXPECT_THAT(peer.get(three), testing::ElementsAre("cluster +2", "listener +2"));
}

TEST(Subscriber, AWildcardIsAnsweredAlsoWithNothing) {
  Peer peer;
  auto empty = inventory(sample_snapshot(0));
  peer.subscriber.take(ask(Type::cluster));
  EXPECT_THAT(peer.get(empty), testing::ElementsAre("cluster"));
  EXPECT_THAT(peer.get(empty), testing::IsEmpty());
}

TEST(Subscriber, WhatThePeerBroughtIsNotSent) {
  auto one = inventory(sample_snapshot(1));
  for (bool is_same : {true, false}) {
    Peer peer;
    auto request = ask(Type::cluster);
    auto& versions = *request.mutable_initial_resource_versions();
    versions["outbound|80||web.default"] = is_same ? one->of(Type::cluster)[0].version : "older";
    versions["gone"] = "1";
    peer.subscriber.take(request);
    if (is_same) {
      EXPECT_THAT(peer.get(one), testing::ElementsAre("cluster -1"));
    } else {
      EXPECT_THAT(peer.get(one), testing::ElementsAre("cluster +1", "cluster -1"));
    }
  }
}

TEST(Subscriber, NamesComeAndGo) {
  Peer peer;
  auto one = inventory(sample_snapshot(1));
  auto name = endpoints_of(1)[0];
  peer.subscriber.take(ask(Type::endpoints, {name}));
  EXPECT_THAT(peer.get(one), testing::ElementsAre("endpoints +1"));
  peer.acknowledge();
  peer.subscriber.take(ask(Type::endpoints, {name}));
  EXPECT_THAT(peer.get(one), testing::ElementsAre("endpoints +1")) << "asked for again";
  peer.acknowledge();
  auto leave = ask(Type::endpoints);
  leave.add_resource_names_unsubscribe(name);
  peer.subscriber.take(leave);
  auto other = sample_snapshot(1);
  other.clusters[0].endpoints.clear();
  EXPECT_THAT(peer.get(inventory(other, one)), testing::IsEmpty());
}

TEST(Subscriber, KnowsWhatThePeerIsDoneWithUntilThatIsAnother) {
  auto peer = subscribed(1);
  auto one = inventory(sample_snapshot(1));
  peer.get(one);
  peer.acknowledge();
  const std::string name = "edge/default/web/80";
  auto leave = ask(Type::listener);
  leave.add_resource_names_unsubscribe(name);
  leave.add_resource_names_unsubscribe("no such");
  peer.subscriber.take(leave);
  EXPECT_TRUE(peer.subscriber.is_done_with(Type::listener, name));
  EXPECT_FALSE(peer.subscriber.is_done_with(Type::listener, "no such")) << "only what it has is kept";
  EXPECT_THAT(peer.get(one), testing::IsEmpty());
  EXPECT_TRUE(peer.subscriber.is_settled(one));

  auto other = sample_snapshot(1);
  other.listeners[0].drain = std::chrono::seconds(1);
  EXPECT_THAT(peer.get(inventory(other, one)), testing::ElementsAre("listener +1"));
  EXPECT_FALSE(peer.subscriber.is_done_with(Type::listener, name));
}

TEST(Subscriber, ARefusalStaysUntilSomethingNewerIsTaken) {
  auto peer = subscribed(1);
  auto one = inventory(sample_snapshot(1));
  peer.get(one);
  for (const auto& response : std::exchange(peer.unanswered, {})) {
    EXPECT_EQ(peer.subscriber.take(answer(response, "no")), Subscriber::Answer::nack);
  }
  EXPECT_EQ(peer.subscriber.refusal(), "no");
  EXPECT_FALSE(peer.subscriber.is_settled(one));
  EXPECT_THAT(peer.get(one), testing::IsEmpty()) << "the same is not sent again";
  auto two = inventory(sample_snapshot(2), one);
  EXPECT_THAT(peer.get(two), testing::ElementsAre("cluster +1", "listener +1"));
  peer.acknowledge();
  EXPECT_FALSE(peer.subscriber.refusal());
}

TEST(Subscriber, StaleAndUnknownAnswersChangeNothing) {
  auto peer = subscribed(1);
  auto one = inventory(sample_snapshot(1));
  peer.get(one);
  Update stale{.type = Type::cluster, .nonce = "999", .resources = {}, .removed = {}};
  EXPECT_EQ(peer.subscriber.take(answer(stale, "no")), Subscriber::Answer::none);
  EXPECT_FALSE(peer.subscriber.refusal());
  Subscriber::DeltaRequest foreign;
  foreign.set_type_url("type.googleapis.com/envoy.service.runtime.v3.Runtime");
  EXPECT_EQ(peer.subscriber.take(foreign), Subscriber::Answer::unknown_type);
}

TEST(Inventory, TakesVersionsOfEqualPartsFromTheOneBefore) {
  auto first = inventory(sample_snapshot(3));
  auto changed = sample_snapshot(3);
  changed.clusters[1].endpoints.clear();
  auto with_before = inventory(changed, first);
  auto fresh = inventory(changed);
  for (auto type : snapshot_types) {
    ASSERT_EQ(with_before->of(type).size(), fresh->of(type).size());
    for (std::size_t i = 0; i < fresh->of(type).size(); ++i) {
      EXPECT_EQ(with_before->of(type)[i].version, fresh->of(type)[i].version);
      EXPECT_EQ(with_before->of(type)[i].name, fresh->of(type)[i].name);
    }
  }
}

}  // namespace
}  // namespace weft::xds
