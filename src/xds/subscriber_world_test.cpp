// State of the world as a table, and what foreign clients of either variant are told beside.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "xds/subscriber_for_test.h"

namespace weft::xds {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Lines = std::vector<std::string>;

/// A client that says with each request all names that it wants, and answers what it is sent.
struct World {
  Subscriber subscriber{Variant::state_of_the_world};
  std::map<Type, std::vector<std::string>> names;
  std::map<Type, std::string> nonces;
  std::map<Type, std::string> versions;

  Subscriber::WorldRequest request(Type type, const std::string& nonce, const std::string& refusal = {}) {
    Subscriber::WorldRequest request;
    request.set_type_url(std::string(type_url(type)));
    request.set_response_nonce(nonce);
    for (const auto& name : names[type]) request.add_resource_names(name);
    if (!refusal.empty()) request.mutable_error_detail()->set_message(refusal);
    return request;
  }
  void ask(Type type, std::vector<std::string> wanted = {}) {
    names[type] = std::move(wanted);
    subscriber.take(request(type, nonces[type]));
  }
  /// What comes, without an answer to any of it.
  std::vector<Update> take(const InventoryPtr& latest) {
    std::vector<Update> updates;
    while (auto update = subscriber.next(latest)) {
      nonces[update->type] = update->nonce;
      updates.push_back(std::move(*update));
    }
    return updates;
  }
  Subscriber::Answer answer(const Update& update, const std::string& refusal = {}) {
    return subscriber.take(request(update.type, update.nonce, refusal));
  }
  /// All that comes until nothing does any more, each answered when it has come.
  Lines get(const InventoryPtr& latest) {
    Lines lines;
    while (auto update = subscriber.next(latest)) {
      nonces[update->type] = update->nonce;
      lines.push_back(line(*update));
      answer(*update);
    }
    return lines;
  }
};

std::string cluster(int i) { return endpoints_of(i + 1).back(); }
std::string listener(int i) { return sample_snapshot(i + 1).listeners.back().name; }

InventoryPtr envoy(const snapshot::Snapshot& snapshot, const InventoryPtr& before = nullptr) {
  return inventory(snapshot, before, Dialect::envoy);
}

World subscribed(int count) {
  World world;
  world.ask(Type::cluster);
  world.ask(Type::listener, {"*"});
  world.ask(Type::endpoints, endpoints_of(count));
  world.ask(Type::routes, routes_of(count));
  return world;
}

TEST(World, ListenersAndClustersComeWholeTheOthersOnlyIfTheyChanged) {
  auto world = subscribed(3);
  auto three = envoy(sample_snapshot(3));
  EXPECT_THAT(world.get(three), ElementsAre("cluster +3", "endpoints +3", "listener +3", "routes +3"));
  EXPECT_TRUE(world.subscriber.is_settled(three));
  EXPECT_THAT(world.get(three), IsEmpty());

  auto changed = sample_snapshot(3);
  changed.clusters[1].endpoints[0].weight = 2;
  three = envoy(changed, three);
  EXPECT_THAT(world.get(three), ElementsAre("endpoints +1"));
  changed.clusters[1].max_pending = 7;
  three = envoy(changed, three);
  EXPECT_THAT(world.get(three), ElementsAre("cluster +3", "endpoints +1"))
      << "it is without endpoints until then";
  changed.listeners[0].trusted_hops = 1;
  three = envoy(changed, three);
  EXPECT_THAT(world.get(three), ElementsAre("listener +3"));
  changed.routes[0].virtual_hosts[0].name = "other";
  EXPECT_THAT(world.get(envoy(changed, three)), ElementsAre("routes +1"));
}

TEST(World, WhatIsToGoStaysUntilNothingLeadsToIt) {
  auto world = subscribed(3);
  auto before = envoy(sample_snapshot(2));
  world.get(before);
  auto changed = sample_snapshot(3);
  changed.clusters.erase(changed.clusters.begin());
  changed.listeners.erase(changed.listeners.begin());
  changed.routes.erase(changed.routes.begin());
  // Clusters: with the new one and the old; at last without the old. Of endpoints and routes that go nothing
  // is said.
  EXPECT_THAT(world.get(envoy(changed, before)),
              ElementsAre("cluster +3", "endpoints +1", "listener +2", "routes +1", "cluster +2"));
}

TEST(World, AForeignClientAnswersForClustersBeforeListenersLeadThere) {
  auto world = subscribed(1);
  auto one = envoy(sample_snapshot(1));
  auto first = world.take(one);
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(line(first[0]), "cluster +1");
  EXPECT_EQ(line(first[1]), "endpoints +1");
  world.answer(first[0]);
  EXPECT_THAT(world.take(one), IsEmpty());
  world.answer(first[1], "no");
  auto then = world.take(one);
  ASSERT_EQ(then.size(), 2U) << "what it refuses holds nothing up";
  EXPECT_EQ(line(then[0]), "listener +1");
  // And goes away from what goes before that does.
  world.answer(then[0]);
  world.answer(then[1]);
  auto none = envoy(sample_snapshot(0), one);
  first = world.take(none);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(line(first[0]), "listener");
  world.answer(first[0]);
  first = world.take(none);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(line(first[0]), "cluster");
}

/// Whether all is told, after a row of requests for that type.
struct WildcardCase {
  Type type;
  std::vector<std::vector<std::string>> asked;
  std::string got;
};

TEST(World, WildcardsAreThoseOfTheSpecification) {
  const auto two = envoy(sample_snapshot(2));
  const std::vector<WildcardCase> cases{{Type::cluster, {{}}, "cluster +2"},
                                        {Type::cluster, {{"*"}}, "cluster +2"},
                                        {Type::cluster, {{"*", cluster(1)}}, "cluster +2"},
                                        {Type::cluster, {{cluster(1)}}, "cluster +1"},
                                        {Type::cluster, {{cluster(1)}, {}}, "cluster +0"},
                                        {Type::cluster, {{"*"}, {}}, "cluster +0"},
                                        {Type::cluster, {{}, {cluster(1)}}, "cluster +1"},
                                        {Type::cluster, {{}, {"*"}}, "cluster +2"},
                                        {Type::listener, {{}}, "listener +2"},
                                        {Type::listener, {{listener(0)}, {}}, "listener +0"},
                                        {Type::endpoints, {{}}, "endpoints +0"},
                                        {Type::endpoints, {{cluster(0)}}, "endpoints +1"},
                                        {Type::routes, {{}}, "routes +0"},
                                        {Type::routes, {{"*"}}, "routes +2"}};
  for (const auto& [type, asked, expected] : cases) {
    World world;
    for (const auto& names : asked) world.ask(type, names);
    const auto lines = world.get(two);
    const auto none = line({.type = type, .nonce = {}, .resources = {}, .removed = {}}) + " +0";
    EXPECT_EQ(lines.empty() ? none : lines[0], expected) << testing::PrintToString(asked);
    EXPECT_TRUE(world.subscriber.is_settled(two)) << "foreign clients have what they ask for";
  }
}

TEST(World, AskingForMoreIsAnsweredAlsoIfNothingChanged) {
  World world;
  const auto three = envoy(sample_snapshot(3));
  world.ask(Type::endpoints, {cluster(0)});
  world.ask(Type::cluster, {cluster(0)});
  EXPECT_THAT(world.get(three), ElementsAre("cluster +1", "endpoints +1"));
  world.ask(Type::endpoints, {cluster(0), cluster(1)});
  EXPECT_THAT(world.get(three), ElementsAre("endpoints +1"));
  world.ask(Type::cluster, {cluster(0), cluster(1)});
  EXPECT_THAT(world.get(three), ElementsAre("cluster +2", "endpoints +1"))
      << "and with the cluster, for whom the endpoints came too early, these";
  world.ask(Type::endpoints, {cluster(1)});
  world.ask(Type::cluster, {cluster(1)});
  EXPECT_THAT(world.get(three), IsEmpty()) << "who asks for less has it";
  world.ask(Type::endpoints, {cluster(0), cluster(1)});
  EXPECT_THAT(world.get(three), ElementsAre("endpoints +1")) << "taken up again";
  EXPECT_GT(world.subscriber.asked_bytes(), 0U);
  world.ask(Type::endpoints);
  world.ask(Type::cluster);
  EXPECT_EQ(world.subscriber.asked_bytes(), 0U);
}

TEST(World, WhatIsMissingIsToldWhereThatCanBeSaid) {
  World world;
  const auto one = envoy(sample_snapshot(1));
  world.ask(Type::listener, {listener(0), listener(1)});
  world.ask(Type::endpoints, {cluster(0), cluster(1)});
  EXPECT_THAT(world.get(one), ElementsAre("endpoints +1", "listener +1"));
  // It comes: of listeners with the others.
  const auto two = envoy(sample_snapshot(2), one);
  EXPECT_THAT(world.get(two), ElementsAre("endpoints +1", "listener +2"));
  // It goes, and comes again.
  const auto less = envoy(sample_snapshot(1), two);
  EXPECT_THAT(world.get(less), ElementsAre("listener +1"));
  EXPECT_THAT(world.get(envoy(sample_snapshot(2), less)), ElementsAre("endpoints +1", "listener +2"));

  World other;
  other.ask(Type::listener, {"no such"});
  EXPECT_THAT(other.get(one), ElementsAre("listener")) << "nothing is an answer, and is given at once";
  EXPECT_THAT(other.get(one), IsEmpty());
}

TEST(World, AStaleAnswerSaysNothingOfNames) {
  World world;
  const auto three = envoy(sample_snapshot(3));
  world.ask(Type::endpoints, {cluster(0)});
  const auto first = world.take(three);
  world.ask(Type::endpoints, {cluster(0), cluster(1)});
  const auto second = world.take(three);
  ASSERT_EQ(second.size(), 1U);
  // An answer to the first again, with other names.
  world.names[Type::endpoints] = {cluster(2)};
  EXPECT_EQ(world.answer(first[0]), Subscriber::Answer::none) << "who asked for more has answered it";
  EXPECT_THAT(world.take(three), IsEmpty());
  EXPECT_FALSE(world.subscriber.is_settled(three));
  EXPECT_EQ(world.answer(second[0]), Subscriber::Answer::ack);
  EXPECT_THAT(world.get(three), ElementsAre("endpoints +1"));
  // Nonces that never were.
  EXPECT_EQ(world.subscriber.take(world.request(Type::endpoints, "999", "no")), Subscriber::Answer::none);
  EXPECT_FALSE(world.subscriber.refusal());
  Subscriber::WorldRequest unknown;
  unknown.set_type_url("type.googleapis.com/envoy.service.runtime.v3.Runtime");
  EXPECT_EQ(world.subscriber.take(unknown), Subscriber::Answer::unknown_type);
  // One from a stream before this is the first request of this one.
  World again;
  again.nonces[Type::endpoints] = "7";
  again.ask(Type::endpoints, {cluster(0)});
  EXPECT_THAT(again.get(three), ElementsAre("endpoints +1"));
}

TEST(World, TheNewestAnswerIsEnough) {
  World world;
  const auto two = envoy(sample_snapshot(2));
  world.ask(Type::endpoints, {cluster(0)});
  world.take(two);
  world.nonces.clear();  // they pass each other
  world.ask(Type::endpoints, {cluster(0), cluster(1)});
  const auto second = world.take(two);
  world.answer(second.back());
  EXPECT_TRUE(world.subscriber.is_settled(two));
}

TEST(World, WhatWasRefusedStaysRefusedUntilSomethingNewerIsTaken) {
  World world;
  world.ask(Type::cluster);
  const auto one = envoy(sample_snapshot(1));
  const auto update = world.take(one);
  EXPECT_EQ(world.answer(update[0], "no"), Subscriber::Answer::nack);
  EXPECT_EQ(world.subscriber.refusal(), "no");
  EXPECT_THAT(world.get(one), IsEmpty()) << "the same is not sent again";
  EXPECT_FALSE(world.subscriber.is_settled(one));
  const auto two = envoy(sample_snapshot(2), one);
  EXPECT_THAT(world.get(two), ElementsAre("cluster +2"));
  EXPECT_FALSE(world.subscriber.refusal());
  EXPECT_TRUE(world.subscriber.is_settled(two));
}

TEST(World, EqualContentHasAnEqualVersion) {
  const auto version = [](const InventoryPtr& latest) {
    World world;
    world.ask(Type::cluster);
    envoy::service::discovery::v3::DiscoveryResponse response;
    EXPECT_TRUE(
        response.ParseFromString(message_of(world.take(latest).front(), Variant::state_of_the_world)));
    EXPECT_EQ(response.resources_size(), 2);
    EXPECT_EQ(response.type_url(), type_url(Type::cluster));
    EXPECT_FALSE(response.nonce().empty());
    return response.version_info();
  };
  auto changed = sample_snapshot(2);
  changed.clusters[0].max_pending = 9;
  EXPECT_EQ(version(envoy(sample_snapshot(2))), version(envoy(sample_snapshot(2))));
  EXPECT_NE(version(envoy(changed)), version(envoy(sample_snapshot(2))));
}

TEST(World, AProxyOfWeftTakesASnapshotAsOne) {
  World world;
  world.ask(Type::context);
  for (const auto& [type, names] : subscribed(2).names) world.ask(type, names);
  const auto two = inventory(sample_snapshot(2));
  Lines lines;
  const auto updates = world.take(two);
  for (const auto& update : updates) lines.push_back(line(update));
  EXPECT_THAT(lines, ElementsAre("context +1", "cluster +2", "endpoints +2", "listener +2", "routes +2"));
  for (const auto& update : updates) world.answer(update);
  EXPECT_TRUE(world.subscriber.is_settled(two));
}

// What follows is of the incremental variant, where the specification says more than weft's own proxies need.

TEST(Incremental, AChangedClusterHasItsEndpointsSentAgain) {
  Peer peer;
  peer.subscriber.take(ask(Type::cluster));
  peer.subscriber.take(ask(Type::endpoints, endpoints_of(2)));
  const auto before = envoy(sample_snapshot(2));
  EXPECT_THAT(peer.get(before), ElementsAre("cluster +2", "endpoints +2"));
  peer.acknowledge();
  auto changed = sample_snapshot(2);
  changed.clusters[0].max_pending = 9;
  EXPECT_THAT(peer.get(envoy(changed, before)), ElementsAre("cluster +1", "endpoints +1"));
  // weft's own proxy has them.
  Peer own;
  own.subscriber.take(ask(Type::cluster));
  own.subscriber.take(ask(Type::endpoints, endpoints_of(2)));
  const auto of_own = inventory(sample_snapshot(2));
  own.get(of_own);
  own.acknowledge();
  EXPECT_THAT(own.get(inventory(changed, of_own)), ElementsAre("cluster +1"));
}

TEST(Incremental, OnlyListenersAndClustersHaveTheOlderWildcard) {
  const auto two = envoy(sample_snapshot(2));
  Peer peer;
  for (const auto type : {Type::cluster, Type::endpoints, Type::listener, Type::routes})
    peer.subscriber.take(ask(type));
  EXPECT_THAT(peer.get(two), ElementsAre("cluster +2"));
  peer.acknowledge();
  EXPECT_THAT(peer.get(two), ElementsAre("listener +2"));
}

TEST(Incremental, WildcardAndNamesEndEachByItself) {
  const auto two = envoy(sample_snapshot(2));
  Peer peer;
  peer.subscriber.take(ask(Type::cluster, {"*", cluster(0), "no such"}));
  EXPECT_THAT(peer.get(two), ElementsAre("cluster +2", "cluster -1"));
  peer.acknowledge();
  // By name no more: it is told that the wildcard has it still.
  auto leave = ask(Type::cluster);
  leave.add_resource_names_unsubscribe(cluster(0));
  peer.subscriber.take(leave);
  EXPECT_THAT(peer.get(two), ElementsAre("cluster +1"));
  peer.acknowledge();
  // By the wildcard no more: of what it has of it nothing is said any more, not even that it has gone.
  leave = ask(Type::cluster, {cluster(0)});
  leave.add_resource_names_unsubscribe("*");
  peer.subscriber.take(leave);
  EXPECT_THAT(peer.get(two), ElementsAre("cluster +1"));
  peer.acknowledge();
  EXPECT_THAT(peer.get(envoy(sample_snapshot(1), two)), IsEmpty());
}

TEST(Incremental, NamesCountAlsoInAStaleAnswer) {
  const auto two = envoy(sample_snapshot(2));
  Peer peer;
  peer.subscriber.take(ask(Type::endpoints, {cluster(0)}));
  peer.get(two);
  auto stale = ask(Type::endpoints, {cluster(1)});
  stale.set_response_nonce("999");
  EXPECT_EQ(peer.subscriber.take(stale), Subscriber::Answer::none);
  EXPECT_THAT(peer.get(two), ElementsAre("endpoints +1"));
}

}  // namespace
}  // namespace weft::xds
